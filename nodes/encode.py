"""Whisper + SpeechAE Encode, and Encode Reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from .feedback import Progress, about, say, warnings_said
from .placement import decoding_memory, place
from .sockets import Models, Portrait, ReadModels, ReadReference, ReadSpeech, Speech

if TYPE_CHECKING:
    from ..read_core import SpeechCodes


class EncodeSpeech(io.ComfyNode):
    """A recording of any length to speech latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_EncodeSpeech",
            display_name="Whisper + SpeechAE Encode",
            category="READ",
            description="Speech to the codes that move the lips, one per 8 video frames.",
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Audio.Input("audio", tooltip="Speech, mono or stereo, any rate, any length."),
                *speech_inputs(),
            ],
            outputs=[
                Speech.Output(display_name="speech", tooltip="For the sampler."),
                io.Audio.Output(
                    display_name="audio", tooltip="The recording, cut and padded to end with the video."
                ),
                io.Int.Output(display_name="frames", tooltip="Video frames that it lasts, at 25 per second."),
            ],
        )

    @classmethod
    def execute(cls, models: ReadModels, audio: dict[str, Any], **how: Any) -> io.NodeOutput:
        from ..read_core.speech.prepare import padded_to_frames

        place(models.speech)
        with warnings_said() as remarks:
            codes, sound, rate = encode_recording(models, audio, how)
        say(f"{codes.num_frames} frames, {codes.num_frames / 25:.2f} s.", remarks)
        heard = {"waveform": padded_to_frames(sound, rate)[None], "sample_rate": rate}
        return io.NodeOutput(ReadSpeech(codes), heard, codes.num_frames)


class EncodeReference(io.ComfyNode):
    """A portrait to the reference latent z_R."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_EncodeReference",
            display_name="Encode Reference",
            category="READ",
            description="The portrait that is to speak, brought to the size of the video.",
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Image.Input("image", tooltip="A portrait: one face that fills the picture."),
                *size_inputs(),
                io.Int.Input(
                    "index", default=0, min=0, max=4095, tooltip="Which image of a batch, counted from 0."
                ),
            ],
            outputs=[
                Portrait.Output(display_name="reference", tooltip="For the sampler."),
                io.Image.Output(display_name="image", tooltip="The portrait as the model sees it."),
                io.Int.Output(display_name="x", tooltip="Left edge of it in the original, in pixels."),
                io.Int.Output(display_name="y", tooltip="Upper edge of it in the original, in pixels."),
                io.Int.Output(display_name="region_width", tooltip="Its width in the original, in pixels."),
                io.Int.Output(display_name="region_height", tooltip="Its height in the original, in pixels."),
            ],
        )

    @classmethod
    def execute(
        cls, models: ReadModels, image: torch.Tensor, width: int, height: int, fit: str, index: int
    ) -> io.NodeOutput:
        from ..read_core.errors import InputError

        if not 0 <= index < len(image):
            raise InputError(
                f"index is {index}, but the batch has {len(image)} images; expected 0 to {len(image) - 1}"
            )
        size = video_size(models, width, height)
        place(models.vae, activations=decoding_memory(models, *size))
        with about("image"):
            reference = models.pipe.encode_reference(image[index].float(), size, fit)
        left, top, right, bottom = reference.box
        seen = reference.image[None].clone().to(mm.intermediate_device())
        return io.NodeOutput(ReadReference(reference), seen, left, top, right - left, bottom - top)


def video_size(models: ReadModels, width: int, height: int) -> tuple[int, int]:
    """(height, width) of the video; 0 is the checkpoint's."""
    default_height, default_width = models.pipe.card.resolution
    return height or default_height, width or default_width


def encode_recording(
    models: ReadModels, audio: dict[str, Any], how: dict[str, Any], **options: Any
) -> tuple[SpeechCodes, torch.Tensor, int]:
    """Encode the host's AUDIO as the widgets of :func:`speech_inputs` say.

    Args:
        how: the widgets.
        options: of ``ReadPipeline.encode_speech``.

    Returns:
        The codes; and the sound of the video, (channels, samples), with its rate: cut, but not levelled.

    Raises:
        InputError: there is no sound, or too little of it.
    """
    from ..read_core.geometry import SAMPLE_RATE
    from ..read_core.media import resample
    from ..read_core.speech.prepare import Preparation, cut, prepare

    preparation = Preparation(how["normalize_loudness"], how["audio_scale"], how["silence_gate"])
    with about("audio"):
        waveform, rate = recording(audio)
        sound = cut(waveform, rate, how["start"], how["duration"])
        heard = prepare(resample(sound, rate)[None], SAMPLE_RATE, preparation)
        codes = models.pipe.encode_speech(heard, SAMPLE_RATE, Progress(), **options)
    return codes, sound, rate


def speech_inputs() -> list[io.Input]:
    """Widgets on how a recording is heard, shared with the node that writes a file."""
    return [
        io.Float.Input(
            "start",
            default=0.0,
            min=0.0,
            max=86400.0,
            step=0.01,
            tooltip="Seconds to leave out first.",
        ),
        io.Float.Input(
            "duration",
            default=0.0,
            min=0.0,
            max=86400.0,
            step=0.01,
            tooltip="Seconds to keep after that; 0: all of it.",
        ),
        io.Boolean.Input(
            "normalize_loudness",
            default=True,
            tooltip="Bring the speech to -23 dB before it is encoded. Quiet recordings move the lips "
            "too little without it. The sound of the video is not changed.",
        ),
        io.Float.Input(
            "audio_scale",
            default=1.0,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="Factor on what the encoder hears: above 1 for livelier lips. "
            "The sound of the video is not changed.",
        ),
        io.Float.Input(
            "silence_gate",
            default=-100.0,
            min=-100.0,
            max=0.0,
            step=1.0,
            tooltip="dB: what is quieter counts as silence and shuts the mouth; -100: off. "
            "Try -45 where noise in pauses moves the lips.",
        ),
    ]


def size_inputs() -> list[io.Input]:
    """Widgets on the size of the video, shared with the node that writes a file."""
    side = {"default": 0, "min": 0, "max": 2048, "step": 32}
    about = "Of the video, a multiple of 32, from 64; 0: as the checkpoint was trained."
    return [
        io.Int.Input("width", **side, tooltip=about),
        io.Int.Input("height", **side, tooltip=about),
        io.Combo.Input(
            "fit",
            options=["crop", "pad", "stretch"],
            default="crop",
            tooltip="Where the shape differs: crop keeps the middle, pad repeats the border around "
            "the whole picture, stretch distorts it.",
        ),
    ]


def recording(audio: dict[str, Any] | None) -> tuple[torch.Tensor, int]:
    """The host's AUDIO as (channels, samples) and its rate.

    Raises:
        InputError: none at all, no samples, or several recordings in one batch.
    """
    from ..read_core.errors import InputError

    if audio is None:
        raise InputError("there is no sound: the video it comes from has none; expected a recording")
    waveform = audio["waveform"]
    if waveform.ndim != 3 or len(waveform) != 1 or waveform.numel() == 0:
        what = "it is empty" if waveform.numel() == 0 else f"its shape is {tuple(waveform.shape)}"
        raise InputError(f"{what}; expected one recording, (1, channels, samples)")
    return waveform[0], int(audio["sample_rate"])
