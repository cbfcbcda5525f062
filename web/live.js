// Plays the video of READ Talking Head to File in its node while it is written. The host sends a word for the file
// that grows; this asks for its bytes and appends them to a media source. Without H.264 in the browser, or if
// anything fails, previews and the finished video remain.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const KIND = "READ_TalkingHeadToFile";
const NAME = "read_live";
const PAUSE = 400; // milliseconds between two questions
const KEPT = 2; // seconds behind the played place that stay when the browser has no room for more

// The node in the workflow that is open; another one may have a node of another kind with this id.
function find(id) {
  let graph = app.rootGraph ?? app.graph;
  let node;
  for (const part of `${id}`.split(":")) {
    node = graph?.getNodeById(Number(part));
    graph = node?.subgraph;
  }
  return node?.comfyClass === KIND ? node : undefined;
}

// "avc1.64001f", from the avcC box of the file's head; undefined: the head is not there yet.
function codec(bytes) {
  for (let i = 0; i + 8 < bytes.length; i++)
    if (bytes[i] === 97 && bytes[i + 1] === 118 && bytes[i + 2] === 99 && bytes[i + 3] === 67)
      return "avc1." + [...bytes.slice(i + 5, i + 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function has(bytes, name) {
  const codes = [...name].map((letter) => letter.charCodeAt(0));
  for (let i = 0; i + 4 <= bytes.length; i++) if (codes.every((code, k) => bytes[i + k] === code)) return true;
  return false;
}

function drop(node) {
  const widget = node?.widgets?.find((found) => found.name === NAME);
  if (!widget) return;
  widget.element?.removeAttribute?.("src"); // ends what waits to be played, too
  widget.element?.load?.();
  widget.onRemove?.();
  node.widgets.splice(node.widgets.indexOf(widget), 1);
  node.setDirtyCanvas?.(true, true);
}

function show(node) {
  drop(node);
  const video = document.createElement("video");
  video.controls = true;
  video.style.width = "100%";
  video.dataset.read = "live";
  const widget = node.addDOMWidget(NAME, "video", video, { serialize: false, hideOnZoom: false });
  widget.computeLayoutSize = () => ({ minHeight: 200, minWidth: 200 });
  return video;
}

// A host with --disable-api-nodes forbids its page media from a source like this.
const opened = (source, video) =>
  new Promise((done, fail) => {
    source.addEventListener("sourceopen", done, { once: true });
    video.addEventListener("error", () => fail(new Error(video.error.message)), { once: true });
  });

const updated = (buffer) => new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
const pause = () => new Promise((done) => setTimeout(done, PAUSE));

// Append bytes. A browser holds some minutes of video at most: if it is full, forget what has been played, and wait
// until more has been.
async function append(buffer, bytes, video, source) {
  while (source.readyState === "open") {
    try {
      buffer.appendBuffer(bytes);
      return await updated(buffer);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      if (!video.isConnected) throw new Error("this page shows it no longer");
    }
    if (video.currentTime > KEPT) {
      buffer.remove(0, video.currentTime - KEPT);
      await updated(buffer);
    }
    await pause();
  }
}

async function pieces(token, use) {
  let at = 0;
  for (;;) {
    const answer = await api.fetchApi(`/read/live/${token}?from=${at}`, { cache: "no-store" });
    if (answer.status !== 200) return; // the job has ended
    const bytes = new Uint8Array(await answer.arrayBuffer());
    at += bytes.length;
    if (bytes.length) await use(bytes);
    else await pause();
  }
}

async function play({ node: id, token }) {
  const node = find(id);
  if (!node || !window.MediaSource) return;
  const source = new MediaSource();
  let head = new Uint8Array();
  let buffer, video;
  await pieces(token, async (bytes) => {
    if (!buffer) {
      head = new Uint8Array([...head, ...bytes]);
      const picture = codec(head);
      if (!picture) return;
      const kind = `video/mp4; codecs="${picture}${has(head, "mp4a") ? ", mp4a.40.2" : ""}"`;
      if (!MediaSource.isTypeSupported(kind)) throw new Error(`this browser does not play ${kind}`);
      video = show(node);
      video.src = URL.createObjectURL(source);
      await opened(source, video);
      await pause();
      if (!video.isConnected) throw new Error("this page does not show it"); // the newer drawing of 0.8
      buffer = source.addSourceBuffer(kind);
      bytes = head;
      video.play().catch(() => {
        video.muted = true; // the browser wants a click before it plays sound
        video.play().catch(() => {});
      });
    }
    await append(buffer, bytes, video, source);
  });
  if (source.readyState === "open") source.endOfStream();
}

function finished({ node: id, output }) {
  const node = find(id);
  const video = node?.widgets?.find((found) => found.name === NAME)?.element;
  if (!video) return;
  const file = output?.images?.[0];
  if (!file || video.paused) return drop(node);
  const at = video.currentTime; // go on in the finished file, then leave the node to the host's own video
  video.src = api.apiURL(`/view?${new URLSearchParams(file)}`);
  video.currentTime = at;
  video.play().catch(() => {});
  for (const event of ["ended", "pause"]) video.addEventListener(event, () => drop(node), { once: true });
}

app.registerExtension({
  name: "READ.live",
  setup() {
    api.addEventListener("read.live", ({ detail }) =>
      play(detail).catch((error) => {
        drop(find(detail.node));
        console.info(`READ: not played live: ${error.message}`);
      }),
    );
    api.addEventListener("executed", ({ detail }) => finished(detail));
    for (const event of ["execution_error", "execution_interrupted"])
      api.addEventListener(event, ({ detail }) => drop(find(detail?.node_id)));
  },
});
