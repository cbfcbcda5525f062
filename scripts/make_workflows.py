"""Writes the example graphs: ``workflows/*.json`` for the page, ``workflows/api/*.json`` for the API.

Each graph is described once, below; scales and window are the bundled checkpoint's. Run it after a change of
the nodes or of the checkpoint: ``python scripts/make_workflows.py``. With ``--check`` it writes nothing and
fails where a file differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphs import COLUMN, Graph, Wire

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "workflows"
CHECKPOINT = "read-tiny"
DEFAULTS = ROOT / "read_core" / "checkpoints" / CHECKPOINT / "scheduler" / "scheduler_config.json"
PORTRAIT, PHOTO, SPEECH = "portrait.png", "photo.jpg", "speech.flac"
HEARD: dict[str, Any] = {
    "start": 0.0,
    "duration": 0.0,
    "normalize_loudness": True,
    "audio_scale": 1.0,
    "silence_gate": -100.0,
}
SIZE: dict[str, Any] = {"width": 0, "height": 0, "fit": "checkpoint default"}
FACE: dict[str, Any] = {"face_index": 0, "face_x": 0.5, "face_y": 0.5, "face_size": 0.0}
FINISHING: dict[str, Any] = {"detail": "auto", "paste_back": "auto", "output_size": 0}
MAX_SIDE = 1920
GUIDANCE = {"guidance": "checkpoint default"}
JOINT_ALPHA, SPLIT_SCALES = 2.5, (-1.0, 3.0)  # read-tiny's best of the kind that is not its default
T5 = {
    "name": "t5xxl_fp16.safetensors",
    "url": "https://huggingface.co/comfyanonymous/flux_text_encoders/resolve/main/t5xxl_fp16.safetensors",
    "directory": "text_encoders",
}
NOTE = """{purpose}

### To run it

Drop `{portrait}` and `speech.flac` from this pack's folder `assets` onto *Load Image* and *Load Audio*, \
or take your own drawn portrait and speech, and press **Run**.

`read-tiny` comes with the pack and is a demonstration: it animates **drawn presenters** at 128 x 128, not \
photographs.

### With a full-size checkpoint

Put its folder into `models/read`, press **R** and choose it in *Load READ Models*. {full_size}

Every node has a help page: select it and press **i** above it."""

AS_TRAINED = (
    "Leave size, steps and window at 0 and guidance at *checkpoint default*: they are then as it was trained."
)


def note(purpose: str, full_size: str = AS_TRAINED, portrait: str = PORTRAIT) -> str:
    """The note beside a graph: what it is for, and what to set for a full-size checkpoint."""
    return NOTE.format(purpose=purpose, full_size=full_size, portrait=portrait)


def inputs(
    graph: Graph, lora: str = "none", title: str | None = None, portrait: str = PORTRAIT
) -> tuple[Wire, Wire, Wire]:
    """Models, portrait and recording."""
    graph.column("1 · Models, speech, portrait")
    models = graph.add(
        "READ_LoadModels",
        title,
        checkpoint=CHECKPOINT,
        dtype="auto",
        attention="auto",
        vae="checkpoint's own",
        transformer="checkpoint's own",
        lora=lora,
        lora_strength=1.0,
    )
    audio = graph.add("LoadAudio", audio=SPEECH)
    image = graph.add("LoadImage", image=portrait)
    return Wire(models, "models"), Wire(image, "IMAGE"), Wire(audio, "AUDIO")


def encode(
    graph: Graph, models: Wire, image: Wire, audio: Wire, fit: str = "checkpoint default"
) -> tuple[int, int]:
    """Both encoders."""
    graph.column("2 · Encode")
    speech = graph.add(
        "READ_EncodeSpeech",
        models=models,
        audio=audio,
        **HEARD,
    )
    size = SIZE | {"fit": fit}
    reference = graph.add("READ_EncodeReference", models=models, image=image, **size, index=0, **FACE)
    return speech, reference


def sample(
    graph: Graph,
    models: Wire,
    speech: int,
    reference: int,
    guidance: dict[str, Any] | None = None,
    title: str | None = None,
    **extra: Any,
) -> int:
    """A sampler; its id."""
    return graph.add(
        "READ_ANSSampler",
        title,
        models=models,
        speech=Wire(speech, "speech"),
        reference=Wire(reference, "reference"),
        **extra,
        seed=0,
        steps=0,
        **(guidance or GUIDANCE),
        window=0,
        order="clips",
    )


def decode(graph: Graph, models: Wire, sampler: int, level: bool = False) -> int:
    """The decoder of a sampler, below the last node or level with the sampler; its id."""
    if level:
        graph.level_with(sampler)
    return graph.add("READ_Decode", models=models, latent=Wire(sampler, "latent"))


def restore(graph: Graph, models: Wire, decoder: int, reference: int) -> int:
    """The portrait's own detail for decoded frames; its id."""
    frames = Wire(decoder, "images")
    return graph.add(
        "READ_RestoreDetail", models=models, images=frames, reference=Wire(reference, "reference"), size=0
    )


def paste(
    graph: Graph, frames: int, image: Wire, reference: int, max_side: int = MAX_SIDE, title: str | None = None
) -> int:
    """Frames back into the portrait; its id."""
    return graph.add(
        "READ_PasteBack",
        title,
        images=Wire(frames, "images"),
        image=image,
        reference=Wire(reference, "reference"),
        max_side=max_side,
        index=0,
    )


def save(graph: Graph, images: Wire, decoder: int, speech: int, name: str) -> None:
    """Frames and sound to a file."""
    sound, fps = Wire(speech, "audio"), Wire(decoder, "fps")
    video = graph.add("CreateVideo", images=images, audio=sound, fps=fps)
    graph.add(
        "SaveVideo",
        video=Wire(video, "VIDEO"),
        filename_prefix=f"video/{name}",
        format="auto",
        codec="auto",
    )


def to_frames(graph: Graph) -> tuple[int, int, int]:
    """From the inputs to frames: speech, reference, decoder."""
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    graph.column("3 · Sample and decode")
    return speech, reference, decode(graph, models, sample(graph, models, speech, reference))


def talking_head(name: str) -> Graph:
    """Seven nodes, then CreateVideo and SaveVideo."""
    graph = Graph(text=note("## Portrait + speech = talking head"))
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    graph.column("3 · Sample and decode")
    decoder = decode(graph, models, sample(graph, models, speech, reference))
    graph.column("4 · Detail, and back into the picture")
    pasted = paste(graph, restore(graph, models, decoder, reference), image, reference)
    graph.column("5 · Video")
    save(graph, Wire(pasted, "images"), decoder, speech, name)
    return graph


def long_audio(name: str) -> Graph:
    """The two-node road."""
    purpose = (
        "## Speech of any length\n\nEvery clip is on the disk before the next is sampled, so an hour takes "
        "no more memory than a minute. After an interrupt what is finished stays beside the target as "
        "`*.partial.mp4` and plays."
    )
    graph = Graph(text=note(purpose))
    models, image, audio = inputs(graph)
    graph.column("2 · Straight to a file, clip by clip", width=420)
    graph.add(
        "READ_TalkingHeadToFile",
        models=models,
        image=image,
        audio=audio,
        filename_prefix=f"video/{name}",
        **HEARD,
        **SIZE,
        seed=0,
        steps=0,
        **GUIDANCE,
        window=0,
        **FINISHING,
        **FACE,
    )
    return graph


def text_and_lora(name: str) -> Graph:
    """With text and a LoRA, for full-size checkpoints."""
    purpose = (
        "## Text and a LoRA\n\nFor a **full-size checkpoint** in `models/read`: it does not run with "
        "`read-tiny`, whose prompt has another size.\n\n"
        "1. Choose the checkpoint and your LoRA (made for LTX-Video 2B, in `models/loras`) in the loader.\n"
        "2. Put LTX-Video's T5, `t5xxl_fp16.safetensors`, into `models/text_encoders`.\n"
        "3. Write what the video shows."
    )
    graph = Graph(text=note(purpose))
    models, image, audio = inputs(graph, title="Load READ Models · your LoRA")
    speech, reference = encode(graph, models, image, audio)
    clip = graph.add(
        "CLIPLoader", properties={"models": [T5]}, clip_name=T5["name"], type="ltxv", device="default"
    )
    graph.column("3 · Text, sample, decode")
    text = graph.add(
        "CLIPTextEncode",
        clip=Wire(clip, "CLIP"),
        text="A person speaks to the camera, soft light, calm background.",
    )
    sampler = sample(graph, models, speech, reference, conditioning=Wire(text, "CONDITIONING"))
    decoder = decode(graph, models, sampler)
    graph.column("4 · Video")
    save(graph, Wire(decoder, "images"), decoder, speech, name)
    return graph


def compare(name: str) -> Graph:
    """Split against Joint."""
    purpose = (
        "## Split-CFG beside Joint-CFG\n\nThe same seed and speech under both guidances: **Split-CFG** on "
        "the left, with a scale for the reference (alpha) and one for the speech (beta), **Joint-CFG** on "
        "the right."
    )
    full_size = (
        "Leave size, steps and window at 0. The scales here are `read-tiny`'s: give *split* the paper's, "
        "alpha 2 and beta 6, and *joint* the one to compare."
    )
    graph = Graph(text=note(purpose, full_size))
    models, image, audio = inputs(graph)
    speech, reference = encode(graph, models, image, audio)
    own = defaults()["guidance"]
    scales = (own["alpha"], own["beta"]) if own["kind"] == "split" else SPLIT_SCALES
    alpha = own["alpha"] if own["kind"] == "joint" else JOINT_ALPHA
    split = {"guidance": "split", "guidance__alpha": scales[0], "guidance__beta": scales[1]}
    joint = {"guidance": "joint", "guidance__alpha": alpha}
    graph.column("3 · Sample: Split-CFG, Joint-CFG")
    samplers = [
        sample(graph, models, speech, reference, split, "ANS Sampler · split"),
        sample(graph, models, speech, reference, joint, "ANS Sampler · joint"),
    ]
    graph.column("4 · Decode")
    left, right = (decode(graph, models, sampler, level=True) for sampler in samplers)
    graph.column("5 · Side by side", width=420)
    both = graph.add(
        "ImageStitch",
        image1=Wire(left, "images"),
        image2=Wire(right, "images"),
        direction="right",
        match_image_size=True,
        spacing_width=8,
        spacing_color="white",
    )
    save(graph, Wire(both, "IMAGE"), left, speech, name)
    return graph


def photo_compare(name: str) -> Graph:
    """With the portrait's own detail and without, both back in the picture."""
    purpose = (
        "## The portrait's own detail\n\nThe same frames in the whole picture: on the **left** after *READ "
        "Restore Detail*, on the **right** as the decoder made them. The face is found, turned upright and "
        "cropped; the preview under *Encode Reference* shows the crop, and its *face* widgets correct it."
    )
    graph = Graph(text=note(purpose, portrait=PHOTO))
    models, image, audio = inputs(graph, portrait=PHOTO)
    speech, reference = encode(graph, models, image, audio, "face")
    graph.column("3 · Sample and decode")
    decoder = decode(graph, models, sample(graph, models, speech, reference))
    graph.column("4 · Detail")
    restored = restore(graph, models, decoder, reference)
    graph.column("5 · Into the picture: with, without")
    left = paste(graph, restored, image, reference, 960, "READ Paste Back · with detail")
    right = paste(graph, decoder, image, reference, 960, "READ Paste Back · without")
    graph.column("6 · Side by side", width=420)
    both = graph.add(
        "ImageStitch",
        image1=Wire(left, "images"),
        image2=Wire(right, "images"),
        direction="right",
        match_image_size=True,
        spacing_width=8,
        spacing_color="white",
    )
    save(graph, Wire(both, "IMAGE"), decoder, speech, name)
    return graph


def check(name: str) -> Graph:
    """The first graph, measured."""
    purpose = (
        "## Does the mouth follow the sound?\n\n*READ Check* plots how far the mouth is open over the "
        "loudness, and gives their correlation and lag, the jumps where clips meet, and the drift of face "
        "and colours."
    )
    window = (
        "Set *window* in *READ Check* to the checkpoint's window (16 for `read-tiny`; the log names it when "
        "it loads)."
    )
    graph = Graph(text=note(purpose, f"{AS_TRAINED} {window}"))
    speech, reference, decoder = to_frames(graph)
    graph.column("4 · Video")
    save(graph, Wire(decoder, "images"), decoder, speech, name)
    graph.column("5 · Check", width=COLUMN + 260)
    graph.add(
        "READ_Check",
        images=Wire(decoder, "images"),
        audio=Wire(speech, "audio"),
        reference=Wire(reference, "image"),
        window=defaults()["window"],
    )
    return graph


WORKFLOWS = {
    "READ_talking_head": talking_head,
    "READ_long_audio": long_audio,
    "READ_text_and_lora": text_and_lora,
    "READ_compare_guidance": compare,
    "READ_check": check,
    "READ_photo_compare": photo_compare,
}


def defaults() -> dict[str, Any]:
    """How the bundled checkpoint samples."""
    found: dict[str, Any] = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    return found


def files() -> Iterator[tuple[Path, str]]:
    """Every file and what belongs in it."""
    for name, build in WORKFLOWS.items():
        graph = build(name)
        for path, content in (
            (FOLDER / f"{name}.json", graph.page()),
            (FOLDER / "api" / f"{name}.json", graph.prompt),
        ):
            yield path, json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write all graphs, or with ``--check`` compare them."""
    if "--check" in sys.argv[1:]:
        stale = [str(path) for path, text in files() if path.read_text(encoding="utf-8") != text]
        sys.stderr.writelines(f"{path} is not what scripts/make_workflows.py makes\n" for path in stale)
        return 1 if stale else 0
    (FOLDER / "api").mkdir(parents=True, exist_ok=True)
    for path, text in files():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
