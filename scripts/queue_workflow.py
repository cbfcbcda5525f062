"""Queues a workflow on a running ComfyUI, with another portrait, recording or seed, and fetches the result.

    python scripts/queue_workflow.py workflows/api/READ_talking_head.json --portrait me.png --speech talk.wav

Needs nothing but Python. Progress comes from the host's queue and history, so it works through a proxy too.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
UPLOADED = {"LoadImage": "image", "LoadAudio": "audio"}
POLL = 0.5


class HostError(Exception):
    """The host refused, failed or cannot be reached; the text says what to do."""


class Host:
    """A running ComfyUI.

    Args:
        address: as ``http://127.0.0.1:8188``.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def upload(self, path: Path) -> str:
        """Put a file into the host's input folder; its name there."""
        boundary = uuid.uuid4().hex
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return str(self._json("/upload/image", body, headers)["name"])

    def queue(self, prompt: dict[str, Any]) -> str:
        """Queue a prompt; its id."""
        body = json.dumps({"prompt": prompt}).encode()
        return str(self._json("/prompt", body, {"Content-Type": "application/json"})["prompt_id"])

    def wait(self, prompt_id: str) -> dict[str, Any]:
        """Follow a prompt to its end; its outputs."""
        started = time.monotonic()
        while True:
            history = self._json(f"/history/{prompt_id}")
            if prompt_id in history:
                tell("\n")
                return finished(history[prompt_id])
            queue = self._json("/queue")
            waiting = sum(1 for item in queue["queue_pending"] if item[1] != prompt_id)
            state = "running" if any(item[1] == prompt_id for item in queue["queue_running"]) else "waiting"
            behind = f", {waiting} others queued" if waiting else ""
            tell(f"\r{state} for {time.monotonic() - started:5.1f} s{behind}   ")
            time.sleep(POLL)

    def fetch(self, item: dict[str, str], folder: Path) -> Path:
        """Save one of the outputs under ``folder``."""
        query = urllib.parse.urlencode({key: item.get(key, "") for key in ("filename", "subfolder", "type")})
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / Path(item["filename"]).name
        temporary = target.with_name(f".{target.name}.part")
        with self._open(f"/view?{query}") as answer:
            temporary.write_bytes(answer.read())
        temporary.replace(target)
        return target

    def _json(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        with self._open(path, body, headers) as answer:
            return json.load(answer)

    def _open(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(self.address + path, data=body, headers=headers or {})
        try:
            return urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            raise HostError(refusal(error.read())) from error
        except (urllib.error.URLError, OSError) as error:
            raise HostError(
                f"no ComfyUI answers at {self.address} ({error}); start it, or give its address with --host"
            ) from error


def refusal(answer: bytes) -> str:
    """What a host says of a prompt that it does not accept."""
    try:
        found = json.loads(answer)
    except ValueError:
        return f"the host refused: {answer.decode(errors='replace')[:500]}"
    lines = [str(found.get("error", {}).get("message", found))]
    for number, node in found.get("node_errors", {}).items():
        lines += [
            f"node {number} ({node['class_type']}): {error['message']}: {error['details']}"
            for error in node["errors"]
        ]
    return "the host refused: " + "\n  ".join(lines)


def finished(entry: dict[str, Any]) -> dict[str, Any]:
    """The outputs of a prompt in the history, or HostError with what went wrong."""
    for kind, message in entry["status"]["messages"]:
        if kind == "execution_error":
            raise HostError(f"{message['node_type']}: {message['exception_message'].strip()}")
        if kind == "execution_interrupted":
            raise HostError("interrupted in the host")
    outputs: dict[str, Any] = entry["outputs"]
    return outputs


def filled(prompt: dict[str, Any], files: dict[str, str], seed: int | None) -> dict[str, Any]:
    """A copy of a prompt with other inputs: ``files`` by class of the loading node."""
    prompt = json.loads(json.dumps(prompt))
    for node in prompt.values():
        kind, inputs = node["class_type"], node["inputs"]
        if kind in files:
            inputs[UPLOADED[kind]] = files[kind]
        if seed is not None and "seed" in inputs:
            inputs["seed"] = seed
    return prompt


def tell(text: str) -> None:
    """Progress goes to the error stream, so that the results can be piped."""
    sys.stderr.write(text)
    sys.stderr.flush()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workflow", type=Path, help="an API prompt, as in workflows/api")
    parser.add_argument("--portrait", type=Path, default=EXAMPLES / "portrait.png", help="image to animate")
    parser.add_argument("--speech", type=Path, default=EXAMPLES / "speech.flac", help="recording to speak")
    parser.add_argument("--seed", type=int, help="seed of all samplers; without it the workflow's")
    parser.add_argument("--host", default="http://127.0.0.1:8188", help="address of ComfyUI")
    parser.add_argument("--out", type=Path, default=Path("output"), help="folder for the results")
    args = parser.parse_args()
    for path in (args.workflow, args.portrait, args.speech):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    try:
        prompt = json.loads(args.workflow.read_text(encoding="utf-8"))
        if "nodes" in prompt:
            parser.error(f"{args.workflow} is a graph for the page; take the one in workflows/api")
        host = Host(args.host)
        files = {"LoadImage": host.upload(args.portrait), "LoadAudio": host.upload(args.speech)}
        outputs = host.wait(host.queue(filled(prompt, files, args.seed)))
        for items in (items for output in outputs.values() for items in output.values()):
            for item in items:
                if isinstance(item, dict) and "filename" in item:
                    sys.stdout.write(f"{host.fetch(item, args.out)}\n")
    except (HostError, ValueError) as error:
        tell(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
