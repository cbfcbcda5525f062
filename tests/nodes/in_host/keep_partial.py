"""READ Talking Head to File when sampling breaks off: what is left in a folder named on the command line.

Prints, as JSON, what the user is told of it.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

from outside import NAME, import_pack

import torch

ERRORS = {
    "memory": torch.OutOfMemoryError("no memory left"),
    "broken": ValueError("broken"),
    "ctrl-c": KeyboardInterrupt(),
    "full": None,  # the writer's own, on a full disk
}
ROOM = 1_000_000  # bytes that a file may have then: about 14 s of noise


def main(folder):
    import_pack()
    video, feedback = (importlib.import_module(f"{NAME}.nodes.{n}") for n in ("video", "feedback"))
    media = importlib.import_module(f"{NAME}.read_core.media")
    records, finishing = (importlib.import_module(f"{NAME}.read_core.{n}") for n in ("records", "finish"))
    told = []
    video.show_text = told.append
    found = {}
    for name, error in ERRORS.items():

        def stream(*_, error=error, **__):
            if error is not None:
                yield torch.full((50, 64, 64, 3), 0.5)
                raise error
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
            while True:
                yield torch.rand(50, 64, 64, 3)

        picture = torch.rand(64, 64, 3)
        reference = records.Reference(latent=torch.zeros(1), image=picture, box=(0, 0, 64, 64))
        finish = finishing.Finish(finishing.Finishing(False, False), reference)
        speech = records.SpeechCodes(torch.zeros(1), 100)
        device = SimpleNamespace(device=torch.device("cpu"))
        pipe = SimpleNamespace(stream=stream, preview=None, transformer=device, share_of_step=lambda *_: 1.0)
        settings, remarks = records.SamplingSettings(), feedback.Remarks()
        writer = media.VideoWriter(folder / f"{name}.mp4", (64, 64))
        try:
            video._write(pipe, speech, reference, settings, finish, writer, "", remarks, live=False)
        except BaseException as raised:
            found[name] = {
                "raised": raised is error,
                "told": told[-1],
                "message": str(raised),
                "frames": writer.num_frames,
            }
    print(json.dumps(found))


main(Path(sys.argv[1]))
