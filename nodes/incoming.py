"""Check the inputs from other nodes; each unusable input gives one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..read_core.errors import InputError

if TYPE_CHECKING:
    from ..read_core.checkpoint import Prompt

LAST_IMAGE = 4095
"""The last image of a batch that a widget can name."""
LENGTH = "read_latents"
"""Key of a LATENT: number of latents from the sampler. Nodes that cut or join latents do not change it."""


def frames_of(images: Any) -> torch.Tensor:
    """Check the host's IMAGE: (B, H, W, C), at least one picture.

    Raises:
        InputError: there is no picture, or it is not floating point.
    """
    if not isinstance(images, torch.Tensor):
        found = "nothing" if images is None else f"a {type(images).__name__}"
        raise InputError(f"there is {found}; expected IMAGE, (batch, height, width, channels)")
    if images.ndim != 4 or images.numel() == 0:
        what = "it is empty" if images.ndim == 4 else f"its shape is {tuple(images.shape)}"
        raise InputError(f"{what}; expected one picture or more, (batch, height, width, channels)")
    if not images.is_floating_point():
        raise InputError(f"its type is {images.dtype}; expected floating point, 0..1: divide bytes by 255")
    return images


def image_of(batch: Any, index: int) -> torch.Tensor:
    """One image of the host's IMAGE, (H, W, 3 or 4), float32.

    Raises:
        InputError: the index is out of range, or :func:`frames_of` refuses the batch.
    """
    images = frames_of(batch)
    if not 0 <= index < len(images):
        raise InputError(
            f"index is {index}, but the batch has {counted(len(images), 'image')}; "
            f"expected 0{f' to {len(images) - 1}' if len(images) > 1 else ''}"
        )
    return images[index].float()


def recording(audio: Any) -> tuple[torch.Tensor, int]:
    """The host's AUDIO as (channels, samples), float32, and its rate.

    Raises:
        InputError: there is no sound, it is empty or not floating point, or the batch has several recordings.
    """
    if audio is None:
        raise InputError("there is no sound: the connected video has none; expected a recording")
    if not isinstance(audio, Mapping) or not {"waveform", "sample_rate"} <= set(audio):
        found = ", ".join(map(str, audio)) or "nothing" if isinstance(audio, Mapping) else f"{audio!r:.80}"
        raise InputError(f"it holds {found}; expected AUDIO with waveform and sample_rate")
    waveform = audio["waveform"]
    if not isinstance(waveform, torch.Tensor) or not waveform.is_floating_point():
        kind = waveform.dtype if isinstance(waveform, torch.Tensor) else type(waveform).__name__
        raise InputError(f"its waveform is {kind}; expected a floating point tensor, -1..1")
    if waveform.ndim != 3 or len(waveform) != 1 or waveform.numel() == 0:
        what = "it is empty" if waveform.numel() == 0 else f"its shape is {tuple(waveform.shape)}"
        raise InputError(f"{what}; expected one recording, (1, channels, samples)")
    return waveform[0].float(), int(audio["sample_rate"])


def video_latent(latent: Any) -> torch.Tensor:
    """The samples of the host's LATENT.

    Raises:
        InputError: there are no samples, or they mix several kinds, for example picture and sound.
    """
    samples = latent.get("samples") if isinstance(latent, Mapping) else None
    if isinstance(samples, torch.Tensor):
        return samples
    found = "nothing" if samples is None else f"a {type(samples).__name__}"
    raise InputError(f"it holds {found}; expected the samples of one video, (1, C, L, h, w)")


def embedded_text(conditioning: list[Any]) -> Prompt:
    """The host's CONDITIONING as a text embedding: the tokens that its mask keeps.

    Raises:
        InputError: it is empty, contains several texts, or its mask keeps no token.
    """
    from ..read_core.checkpoint import Prompt

    if len(conditioning) != 1 or len(conditioning[0][0]) != 1:
        raise InputError(f"conditioning holds {len(conditioning)} texts; expected the embedding of one text")
    (embedding,), extra = conditioning[0]
    if (mask := extra.get("attention_mask")) is not None:
        embedding = embedding[mask.reshape(-1).bool().to(embedding.device)]  # not every attention takes masks
    if not len(embedding):
        raise InputError("conditioning holds no token; expected the embedding of one text")
    return Prompt(embedding, torch.ones(len(embedding), dtype=torch.bool))


def wanted_frames(latent: Mapping[str, Any], frames: int) -> tuple[int | None, str]:
    """The number of frames to keep of a LATENT, and a remark for the user.

    Args:
        frames: the user's number; 0: the number stored in the latent.

    Returns:
        The number, None for all; and a sentence if the stored number is missing or no longer valid, else
            empty.
    """
    if frames:
        return frames, ""
    number, made = latent.get("read_num_frames"), latent.get(LENGTH)
    length = latent["samples"].shape[2]
    advice = "connect frames of READ Whisper + SpeechAE Encode to cut the video to the speech"
    if number is None:
        return (
            None,
            f"All frames are kept, because the latent does not store the length of the speech; {advice}.",
        )
    if made is not None and made != length:
        return None, (
            f"All frames are kept, because the latent was cut or joined after sampling ({made} latents were "
            f"sampled, {length} are here); {advice}."
        )
    return number, ""


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 frame``, ``2 frames``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
