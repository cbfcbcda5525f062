"""The nodes that the example graphs share, with all their widgets. ``make_workflows.py`` chains them."""

from __future__ import annotations

from typing import Any

from graphs import ABOVE, HIGHER, Graph, Wire

CHECKPOINT = "read-tiny"
SPEECH_WIDGETS: dict[str, Any] = {
    "start": 0.0,
    "duration": 0.0,
    "normalize_loudness": True,
    "audio_scale": 1.0,
    "silence_gate": -100.0,
}
SIZE: dict[str, Any] = {"width": 0, "height": 0, "fit": "checkpoint default"}
FACE: dict[str, Any] = {"face_index": 0, "face_x": 0.5, "face_y": 0.5, "face_size": 0.0}
FINISHING: dict[str, Any] = {"detail": "auto", "paste_back": "auto", "output_size": 0}
FILE: dict[str, Any] = {"index": 0, "crf": 17, "fps": "25", "save": True, "live": True}
MAX_SIDE = 1920
GUIDANCE: dict[str, Any] = {"guidance": "checkpoint default"}


def inputs(graph: Graph, title: str | None = None, top: int = HIGHER) -> tuple[Wire, Wire, Wire]:
    """Models, portrait and recording."""
    graph.group("Models, portrait, speech", top)
    models = graph.add(
        "READ_LoadModels",
        title,
        checkpoint=CHECKPOINT,
        dtype="auto",
        attention="auto",
        vae="checkpoint's own",
        transformer="checkpoint's own",
        lora="none",
        lora_strength=1.0,
    )
    examples = graph.add("READ_ExampleInputs", portrait="photo")
    return Wire(models, "models"), Wire(examples, "portrait"), Wire(examples, "recording")


def encode(
    graph: Graph, models: Wire, image: Wire, audio: Wire, fit: str = "checkpoint default"
) -> tuple[int, int]:
    """Both encoders: speech, reference."""
    return encode_speech(graph, models, audio), encode_reference(graph, models, image, fit)


def encode_speech(graph: Graph, models: Wire, audio: Wire) -> int:
    """The recording's encoder; its id."""
    graph.group("Encode", ABOVE)
    return graph.add("READ_EncodeSpeech", models=models, audio=audio, **SPEECH_WIDGETS)


def encode_reference(graph: Graph, models: Wire, image: Wire, fit: str = "checkpoint default") -> int:
    """The portrait's encoder; its id."""
    size = SIZE | {"fit": fit}
    return graph.add("READ_EncodeReference", models=models, image=image, **size, index=0, **FACE)


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


def decode(graph: Graph, models: Wire, sampler: int, speech: int) -> int:
    """The decoder of a sampler; its id."""
    frames = Wire(speech, "frames")
    return graph.add("READ_Decode", models=models, latent=Wire(sampler, "latent"), frames=frames)


def restore(graph: Graph, models: Wire, decoder: int, reference: int, motion: str = "auto") -> int:
    """A node that restores the portrait's detail; ``motion``: its switches of blinks and head. Its id."""
    frames = Wire(decoder, "images")
    return graph.add(
        "READ_RestoreDetail",
        models=models,
        images=frames,
        reference=Wire(reference, "reference"),
        size=0,
        blinks=motion,
        blink_seed=0,
        head_motion=motion,
    )


def paste(
    graph: Graph, frames: int, image: Wire, reference: int, max_side: int = MAX_SIDE, title: str | None = None
) -> int:
    """A node that pastes frames back into the portrait; its id."""
    return graph.add(
        "READ_PasteBack",
        title,
        images=Wire(frames, "images"),
        image=image,
        reference=Wire(reference, "reference"),
        max_side=max_side,
        index=0,
    )


def create(graph: Graph, images: Wire, speech: int) -> int:
    """A node that makes a video of frames and sound; its id."""
    return graph.add("CreateVideo", images=images, audio=Wire(speech, "audio"), fps=25.0)


def save(graph: Graph, video: int, name: str, shape: float = 1.0) -> None:
    """A node that saves and shows a video; ``shape``: its height divided by its width."""
    graph.add(
        "SaveVideo",
        shows=shape,
        video=Wire(video, "VIDEO"),
        filename_prefix=f"video/{name}",
        format="auto",
        codec="auto",
    )


def stitch(graph: Graph, left: int, right: int) -> Wire:
    """Frames side by side."""
    both = graph.add(
        "ImageStitch",
        image1=Wire(left, "images"),
        image2=Wire(right, "images"),
        direction="right",
        match_image_size=True,
        spacing_width=8,
        spacing_color="white",
    )
    return Wire(both, "IMAGE")


def side_by_side(graph: Graph, left: int, right: int, speech: int, name: str, shape: float) -> None:
    """The rest of a comparison: frames of two nodes next to each other, with the sound, in a file."""
    graph.group("Side by side, add the sound")
    both = stitch(graph, left, right)
    graph.column()
    video = create(graph, both, speech)
    graph.group(None, width=440)
    save(graph, video, name, shape)
