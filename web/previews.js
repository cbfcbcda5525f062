// A node that previews and has a video as its output ends with the video alone. The page shows no output while it
// has a preview of the same node, and draws an image until another one comes.

import { app } from "../../scripts/app.js";

const KINDS = ["READ_TalkingHeadToFile"];
const DRAWN = ["$$canvas-image-preview", "$$comfy_animation_preview"]; // widgets that the page makes for images
const LATER = 1000; // milliseconds; the page forgets an ended preview 400 after it is told so

function drop(node) {
  node.imgs = undefined;
  for (const widget of (node.widgets ?? []).filter((found) => DRAWN.includes(found.name))) {
    widget.onRemove?.();
    node.widgets.splice(node.widgets.indexOf(widget), 1);
  }
  node.setDirtyCanvas?.(true, true);
}

function previews(node) {
  return Object.keys(app.nodePreviewImages ?? {}).some((key) => key.split(":").at(-1) === `${node.id}`);
}

app.registerExtension({
  name: "READ.previews",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!KINDS.includes(nodeData.name)) return;
    const before = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      before?.call(this, output);
      if (window.LiteGraph?.vueNodesMode) this.previewMediaType = "video"; // else older pages take it for an image
      drop(this);
      if (!previews(this)) return;
      setTimeout(() => {
        this.images = undefined; // else the page takes the output for one that it has drawn
        drop(this);
      }, LATER);
    };
  },
});
