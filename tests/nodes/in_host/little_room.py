"""Nodes that hold all frames, and the VAE output, where memory has room for few pictures.

Prints, as JSON, what each says.
"""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

from outside import NAME, import_pack

import comfy.model_management as mm
import torch


def refused(call):
    """What is said; the work itself would fail otherwise, for there are no models."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return "accepted"


def main():
    import_pack()
    detail, paste, decode, vae = (
        importlib.import_module(f"{NAME}.nodes.{name}") for name in ("detail", "paste", "decode", "vae")
    )
    records, finish = (importlib.import_module(f"{NAME}.read_core.{name}") for name in ("records", "finish"))
    mm.get_free_memory = lambda *_, **__: 2**20
    picture = torch.rand(64, 64, 3)
    reference = records.Reference(
        latent=torch.zeros(1),
        image=picture,
        box=(0, 0, 64, 64),
        portrait=picture,
        decoded=picture,
        original=(64, 64),
    )

    def made(_, original, finishing):
        return finish.Finish(finishing, reference, original, None)

    pipe = SimpleNamespace(finish=lambda *given: made(*given), decode_stream=lambda *_: iter(()))
    models = SimpleNamespace(pipe=pipe)
    latent = {"samples": torch.rand(1, 8, 100, 2, 2)}
    whole = object.__new__(vae.WholeVAE)
    frames = torch.rand(100, 64, 64, 3)
    found = {
        "restore": refused(lambda: detail.RestoreDetail.execute(models, frames, reference, 0)),
        "decode": refused(lambda: decode.Decode.execute(models, latent)),
        "tiles": refused(lambda: whole.decode_tiled_3d(latent["samples"], overlap=(1, 8, 8))),
        "paste": refused(lambda: paste.PasteBack.execute(frames, picture[None], reference, 1920, 0)),
    }
    print(json.dumps(found))


main()
