"""Nodes READ Whisper + SpeechAE Encode and READ Encode Reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io, ui

from ..read_core.geometry import PIXELS_PER_LATENT
from ..read_core.limits import FACE_SIZE, FITS, SIZE, WINDOW
from ..read_core.memory import decoding_memory
from ..read_core.records import FaceChoice
from .discovery import REFERENCE, SPEECH, found_by
from .feedback import Progress, Remarks, input_named, show_text
from .incoming import LAST_IMAGE, counted, image_of, recording
from .placement import place
from .sockets import Models, Portrait, ReadModels, Speech

if TYPE_CHECKING:
    from ..read_core import Reference, SpeechCodes
    from ..read_core.speech.prepare import Preparation

CHECKPOINT_FIT = "checkpoint default"
FOUND = FaceChoice()  # defaults of the widgets: the largest face is found


class EncodeSpeech(io.ComfyNode):
    """Encode a recording of any length as speech codes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_EncodeSpeech",
            display_name="READ Whisper + SpeechAE Encode",
            category="READ",
            description="Encodes speech as the codes that move the lips of a talking head, one per 8 video "
            "frames: for lip sync, audio to video.",
            **found_by(*SPEECH),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Audio.Input("audio", tooltip="Speech, mono or stereo, any rate, any length."),
                *speech_inputs(),
            ],
            outputs=[
                Speech.Output(display_name="speech", tooltip="For the sampler."),
                io.Audio.Output(
                    display_name="audio", tooltip="The recording, cut, and padded to the end of the video."
                ),
                io.Int.Output(display_name="frames", tooltip="Number of video frames, at 25 per second."),
            ],
        )

    @classmethod
    def execute(
        cls,
        models: ReadModels,
        audio: Any,
        start: float,
        duration: float,
        normalize_loudness: bool,
        audio_scale: float,
        silence_gate: float,
    ) -> io.NodeOutput:
        from ..read_core.speech.prepare import Preparation, padded_to_frames

        place(models.speech)
        remarks, preparation = Remarks(), Preparation(normalize_loudness, audio_scale, silence_gate)
        # The host's cache keeps the codes: one hour takes a gigabyte at full size.
        codes, sound, rate = encode_recording(
            models, audio, (start, duration), preparation, remarks, keep_on=mm.intermediate_device()
        )
        show_text(f"{counted(codes.num_frames, 'frame')}, {codes.num_frames / 25:.2f} s.", remarks)
        kept = {"waveform": padded_to_frames(sound, rate)[None], "sample_rate": rate}
        return io.NodeOutput(codes, kept, codes.num_frames)


class EncodeReference(io.ComfyNode):
    """Encode a portrait as the reference latent z_R."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_EncodeReference",
            display_name="READ Encode Reference",
            category="READ",
            description="Encodes the portrait for a talking head (avatar): finds the face, turns it upright "
            "and brings it to the size that the model works at.",
            **found_by(*REFERENCE),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Image.Input("image", tooltip="A portrait of any size: a face that looks into the camera."),
                *size_inputs(),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=LAST_IMAGE,
                    tooltip="Number of the image in a batch, from 0.",
                ),
                *face_inputs(),
            ],
            outputs=[
                Portrait.Output(
                    display_name="reference",
                    tooltip="For READ ANS Sampler, READ Restore Detail and READ Paste Back.",
                ),
                io.Image.Output(display_name="image", tooltip="The portrait as the model sees it."),
                io.Int.Output(display_name="x", tooltip="Left edge of the crop in the original, in pixels."),
                io.Int.Output(display_name="y", tooltip="Upper edge of the crop in the original, in pixels."),
                io.Int.Output(
                    display_name="region_width", tooltip="Width of the crop in the original, in pixels."
                ),
                io.Int.Output(
                    display_name="region_height", tooltip="Height of the crop in the original, in pixels."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        models: ReadModels,
        image: Any,
        width: int,
        height: int,
        fit: str,
        index: int,
        face_index: int = FOUND.index,
        face_x: float = FOUND.x,
        face_y: float = FOUND.y,
        face_size: float = FOUND.size,
    ) -> io.NodeOutput:
        with input_named("image"):
            picture = image_of(image, index)
        size, remarks = video_size(models, width, height), Remarks()
        place(models.vae, models.finder, activations=decoding_memory(models.pipe.vae, size))
        with input_named("image"):
            face = FaceChoice(face_index, face_x, face_y, face_size)
            reference = models.pipe.encode_reference(picture, size, chosen_fit(fit), face, on_warning=remarks)
        Progress()(1, 1)
        show_text(face_text(reference), remarks)
        left, top, right, bottom = reference.box
        seen = reference.image[None].clone().to(mm.intermediate_device())
        shown = ui.PreviewImage(reference.image[None].cpu(), cls=cls)
        return io.NodeOutput(reference, seen, left, top, right - left, bottom - top, ui=shown)


def chosen_fit(fit: str) -> str | None:
    """The value of the widget ``fit`` as the argument of ``ReadPipeline.encode_reference``."""
    return None if fit == CHECKPOINT_FIT else fit


def face_text(reference: Reference) -> str:
    """Text with the size and the place of the found face, in the units of the widgets that correct it."""
    height, width = reference.image.shape[:2]
    size = f"{width} x {height} pixels."
    if reference.face is None:
        return size
    crop, (_, width) = reference.crop, reference.original or (1, 1)
    side, degrees = min(crop.width, crop.height), round(abs(math.degrees(crop.roll)))
    turned = f"turned upright by {counted(degrees, 'degree')}, " if degrees else ""
    return (
        f"Face at face_x {crop.x / width:.3f}, face_y {crop.y / width:.3f}, face_size {side / width:.3f}: "
        f"{side:.0f} pixels of the picture, {turned}brought to {size}"
    )


def video_size(models: ReadModels, width: int, height: int) -> tuple[int, int]:
    """The size (height, width) that the model works at; 0 is the checkpoint's.

    Raises:
        InputError: a side is not a multiple of 32, or less than 64.
    """
    from ..read_core.checks import check_size

    default_height, default_width = models.pipe.card.resolution
    with input_named("width and height"):
        return check_size((height or default_height, width or default_width))


def encode_recording(
    models: ReadModels,
    audio: Any,
    span: tuple[float, float],
    preparation: Preparation,
    remarks: Remarks,
    max_window: int = WINDOW.largest,
    keep_on: torch.device | str | None = None,
) -> tuple[SpeechCodes, torch.Tensor, int]:
    """Encode the host's AUDIO with the values of the widgets of :func:`speech_inputs`.

    Args:
        span: start and duration in seconds.
        preparation: how the encoder's input is prepared.
        remarks: receives the warnings.
        max_window, keep_on: arguments of ``ReadPipeline.encode_speech``.

    Returns:
        The codes; the sound of the video, (channels, samples), cut but with unchanged loudness; and its rate.

    Raises:
        InputError: there is no sound, or it is too short.
    """
    from ..read_core.geometry import SAMPLE_RATE
    from ..read_core.media import resample
    from ..read_core.speech.prepare import cut, prepare

    with input_named("audio"):
        waveform, rate = recording(audio)
        sound = cut(waveform, rate, *span)
        prepared = prepare(resample(sound, rate, remarks)[None], SAMPLE_RATE, preparation)
        codes = models.pipe.encode_speech(
            prepared, SAMPLE_RATE, Progress(), max_window, keep_on, remarks, rescale=False
        )
    return codes, sound, rate


def speech_inputs() -> list[io.Input]:
    """Widgets that prepare the recording; shared with READ Talking Head to File."""
    return [
        io.Float.Input(
            "start",
            default=0.0,
            min=0.0,
            max=86400.0,
            step=0.01,
            tooltip="Seconds to skip at the beginning.",
        ),
        io.Float.Input(
            "duration",
            default=0.0,
            min=0.0,
            max=86400.0,
            step=0.01,
            tooltip="Seconds to keep after start; 0: keep the rest.",
        ),
        io.Boolean.Input(
            "normalize_loudness",
            default=True,
            tooltip="Brings the speech to -23 dB before it is encoded. Without it, quiet recordings move "
            "the lips too little. The sound of the video does not change.",
        ),
        io.Float.Input(
            "audio_scale",
            default=1.0,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="Factor on the encoder's input: above 1 for livelier lips. The sound of the video does "
            "not change.",
        ),
        io.Float.Input(
            "silence_gate",
            default=-100.0,
            min=-100.0,
            max=0.0,
            step=1.0,
            tooltip="dB: quieter parts count as silence and shut the mouth; -100: off. Try -45 if noise in "
            "pauses moves the lips.",
        ),
    ]


def size_inputs() -> list[io.Input]:
    """Widgets for the size of the model's frames and the fit; shared with READ Talking Head to File."""
    side = {"default": 0, "min": 0, "max": SIZE.largest, "step": PIXELS_PER_LATENT}
    tip = (
        "Size that the model works at, not that of the video. Leave 0, the checkpoint's own: with read-tiny, "
        "lips hardly move at others. Choose the video's size with output_size of READ Restore Detail or READ "
        f"Talking Head to File. Multiples of {PIXELS_PER_LATENT}, from {SIZE.least}."
    )
    return [
        io.Int.Input("width", **side, tooltip=tip),
        io.Int.Input("height", **side, tooltip=tip),
        io.Combo.Input(
            "fit",
            options=[CHECKPOINT_FIT, *FITS],
            default=CHECKPOINT_FIT,
            tooltip="face finds the face, turns it upright and crops it. The others bring the whole picture "
            "to the shape: crop keeps the middle, pad repeats the border around the picture, stretch "
            "distorts it. checkpoint default: face if the checkpoint was trained on aligned faces, else "
            "crop.",
        ),
    ]


def face_inputs() -> list[io.Input]:
    """Widgets that choose the face, shared with READ Talking Head to File; older prompts lack them."""
    place = {"min": 0.0, "max": 10.0, "step": 0.005, "optional": True}
    return [
        io.Int.Input(
            "face_index",
            default=FOUND.index,
            min=0,
            max=63,
            optional=True,
            tooltip="Number of the face that speaks; 0 is the largest. Only for fit face.",
        ),
        io.Float.Input(
            "face_x",
            default=FOUND.x,
            **place,
            tooltip="Place by hand, if face_size is above 0: center of the square to cut, from the left, as "
            "a fraction of the picture's width.",
        ),
        io.Float.Input(
            "face_y",
            default=FOUND.y,
            **place,
            tooltip="Place by hand, if face_size is above 0: center of the square to cut, from the top, also "
            "as a fraction of the picture's width.",
        ),
        io.Float.Input(
            "face_size",
            default=FOUND.size,
            **(place | {"max": float(FACE_SIZE.largest)}),
            tooltip="Side of the square to cut, as a fraction of the picture's width; 0: the face is found. "
            "The node shows the found place as face_x, face_y and face_size. A square by hand is not turned: "
            "a tilted face stays tilted.",
        ),
    ]
