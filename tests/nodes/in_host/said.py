"""What nodes say and refuse, called as the host calls them, without its server.

Prints it as JSON: ``holes`` by name, ``said`` by what was done.
"""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

from outside import NAME, import_pack

import comfy.nested_tensor
import torch

IMAGE = torch.rand(1, 64, 64, 3)
SOUND = {"waveform": 0.1 * torch.randn(1, 1, 8320), "sample_rate": 16000}
HEARD = {
    "start": 0.0,
    "duration": 0.0,
    "normalize_loudness": True,
    "audio_scale": 1.0,
    "silence_gate": -100.0,
}
SIZE = {"width": 64, "height": 64, "fit": "crop"}
SAMPLED = {"seed": 0, "steps": 1, "window": 3, "guidance": {"guidance": "none"}}
NESTED = {"samples": comfy.nested_tensor.NestedTensor((torch.zeros(1, 128, 2, 2, 2), torch.zeros(1, 8, 4)))}
IMAGES = {
    "none": None,
    "bytes": (255 * IMAGE).byte(),
    "no batch": IMAGE[0],
    "empty": IMAGE[:0],
    "a path": "portrait.png",
}
INSIDE = ("READ", "video/READ", "video/../READ", "/out/video/READ")
OUTSIDE = {"parent": "video/../../x", "absolute": "/x"}
SOUNDS = {
    "none": None,
    "no keys": {},
    "no rate": {"waveform": SOUND["waveform"]},
    "a path": "speech.wav",
    "integers": SOUND | {"waveform": torch.zeros(1, 1, 800, dtype=torch.int16)},
    "a list": SOUND | {"waveform": [0.0]},
}


def part(name):
    return importlib.import_module(f"{NAME}.nodes.{name}")


def refused(call):
    try:
        call()
    except Exception as error:
        return {"type": type(error).__name__, "text": str(error)}
    return {"type": "accepted", "text": ""}


class Said:
    """The last texts of the nodes."""

    def __init__(self, *modules):
        self.texts = []
        for module in modules:
            module.show_text = self

    def __call__(self, text, remarks=None):
        self.texts.append(" ".join([text, *(remarks.texts if remarks else ())]))

    def take(self):
        last, self.texts = self.texts[-1], []
        return last


def holes(models, nodes, reference):
    encode, decode, video = nodes["encode"], nodes["decode"], nodes["video"]
    frames = torch.rand(3, 64, 64, 3)
    node = video.TalkingHeadToFile
    how = HEARD | SIZE | SAMPLED

    def file_of(**given):
        call = {"models": models, "image": IMAGE, "audio": SOUND, "filename_prefix": "x"} | how | given
        hidden = SimpleNamespace(prompt=None, extra_pnginfo=None)
        kind = type("Clone", (node,), {"hidden": hidden})
        return lambda: kind.execute(**call)

    found = {
        "prefix": refused(file_of(filename_prefix="a\0b")),
        "line": refused(file_of(filename_prefix="a\nb")),
    }
    for name, prefix in OUTSIDE.items():
        found[f"prefix, {name}"] = refused(file_of(filename_prefix=prefix, image=None, audio=None))
    for name, image in IMAGES.items():
        found |= {
            f"reference, {name}": refused(
                lambda image=image: encode.EncodeReference.execute(models, image, index=0, **SIZE)
            ),
            f"file, {name}": refused(file_of(image=image)),
            f"detail, {name}": refused(
                lambda image=image: nodes["detail"].RestoreDetail.execute(models, image, reference, 0)
            ),
            f"paste, {name}": refused(
                lambda image=image: nodes["paste"].PasteBack.execute(image, IMAGE, reference, 64, 0)
            ),
            f"original, {name}": refused(
                lambda image=image: nodes["paste"].PasteBack.execute(frames, image, reference, 64, 0)
            ),
            f"check, {name}": refused(lambda image=image: nodes["check"].Check.execute(image, SOUND, 3)),
        }
    for name, sound in SOUNDS.items():
        found |= {
            f"speech, {name}": refused(
                lambda sound=sound: encode.EncodeSpeech.execute(models, sound, **HEARD)
            ),
            f"sound of the file, {name}": refused(file_of(audio=sound)),
            f"sound to check, {name}": refused(
                lambda sound=sound: nodes["check"].Check.execute(frames, sound, 3)
            ),
        }
    for name, latent in {"nothing": {}, "none": None, "nested": NESTED}.items():
        found[f"latent, {name}"] = refused(lambda latent=latent: decode.Decode.execute(models, latent))
    found["width"] = refused(
        lambda: encode.EncodeReference.execute(models, IMAGE, width=32, height=0, fit="crop", index=0)
    )
    found["index of one"] = refused(lambda: encode.EncodeReference.execute(models, IMAGE, index=3, **SIZE))
    return found


def said(models, nodes, reference):
    import comfy_extras.nodes_post_processing  # noqa: F401  else the next import goes round in a circle
    from comfy_extras.nodes_latent import LatentConcat
    from comfy_extras.nodes_wan import TrimVideoLatent

    encode, sample, decode = nodes["encode"], nodes["sample"], nodes["decode"]
    listen = Said(encode, sample, decode)
    found = {}
    for name, dtype in {"half": torch.float16, "double": torch.float64}.items():
        sound = SOUND | {"waveform": SOUND["waveform"].to(dtype)}
        _, heard, count = encode.EncodeSpeech.execute(models, sound, **HEARD).args
        found[name] = str(heard["waveform"].dtype)
    speech, _, count = encode.EncodeSpeech.execute(models, SOUND, **HEARD).args
    listen.take()
    encode.EncodeReference.execute(models, IMAGE, width=0, height=0, fit="crop", index=0)
    found["reference"] = listen.take()

    def sampled(**how):
        given = SAMPLED | {"order": "clips"} | how
        (latent,) = sample.Sampler.execute(models, speech, reference, **given).args
        found_texts, listen.texts = listen.texts, []
        return latent, found_texts

    latent, found["sampled"] = sampled()
    defaults = {"steps": 0, "window": 0, "guidance": {"guidance": "checkpoint default"}}
    _, found["defaults"] = sampled(**defaults)
    for kind in ("split (checkpoint's)", "joint (checkpoint's)"):
        _, found[kind] = sampled(steps=3, guidance={"guidance": kind})
    _, found["zeros"] = sampled(guidance={"guidance": "split", "alpha": 0.0, "beta": 0.0})

    def decoded(latent, **how):
        images, _, total = decode.Decode.execute(models, latent, **how).args
        assert len(images) == total
        return {"frames": total, "text": listen.take()}

    bare = {"samples": latent["samples"]}
    joined = LatentConcat.execute(latent, latent, "t").args[0]
    trimmed = TrimVideoLatent.execute(latent, 1).args[0]
    found |= {
        "speech": count,
        "latents": latent["samples"].shape[2],
        "decoded": decoded(latent),
        "bare": decoded(bare),
        "bare, told": decoded(bare, frames=count),
        "joined": decoded(joined),
        "joined, told": decoded(joined, frames=count),
        "trimmed": decoded(trimmed),
        "too many": refused(lambda: decode.Decode.execute(models, bare, frames=1000)),
    }
    return found


def numbers(nodes, reference):
    """What is said of memory, and of a face that is turned by 20 degrees."""
    alignment = importlib.import_module(f"{NAME}.read_core.face.alignment")
    tilted = alignment.FaceCrop(32, 32, 40, 40, math.radians(-20))
    return {
        "estimate": nodes["sample"].estimate_text(50, 2, 2_500_000_000),
        "room": refused(lambda: part("placement").check_room(1_000_000, (512, 512), "less"))["text"],
        "tilted": nodes["encode"].face_text(replace(reference, face=tilted)),
        "upright": nodes["encode"].face_text(replace(reference, face=replace(tilted, roll=0.0))),
    }


def file_names():
    """A file's prefix, filled in on 4 March 2026, 15:06:07."""
    naming, now = part("naming"), datetime(2026, 3, 4, 15, 6, 7)
    prompt = {
        "1": {"class_type": "KSampler", "inputs": {"seed": 5, "model": ["2", 0]}, "_meta": {"title": "Mine"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "a/b:c.png"}},
    }
    return {
        prefix: naming.filled_in(prefix, prompt, now)
        for prefix in (
            "%date:yyyy-MM-dd%",
            "v/%date:yy.M.d%_%date:hhmmss%",
            "%date:h-m-s%",
            "%Mine.seed%_%KSampler.seed%",
            "%LoadImage.image%",
            "%Mine.model%",
            "%Nobody.seed%",
            "%year%-%width% 100% sure",
        )
    }


def main():
    import_pack()
    names = ("encode", "sample", "decode", "detail", "paste", "check", "video")
    nodes = {name: part(name) for name in names}
    models = part("checkpoints").load_models("read-tiny", "float32", "auto", None, None)
    reference = nodes["encode"].EncodeReference.execute(models, IMAGE, index=0, **SIZE).args[0]
    print(
        json.dumps(
            {
                "holes": holes(models, nodes, reference),
                "said": said(models, nodes, reference),
                "names": file_names(),
                "inside": [part("naming").check_within(prefix, "/out") for prefix in INSIDE],
                "numbers": numbers(nodes, reference),
            }
        )
    )


with torch.inference_mode():
    main()
