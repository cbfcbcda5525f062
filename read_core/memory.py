"""Compute the memory that models and work need, without running them.

The figures for the work count the tensors that are alive at once, on a CPU. Tests compare them with measured
peaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT

if TYPE_CHECKING:
    from torch import nn

    from .checkpoint import Prompt
    from .records import ResolvedSettings
    from .transformer import A2VTransformer3DModel
    from .video import TemporalVAE

_FLOAT = 4  # bytes
_BLOCK = 12.5  # values per token and channel in a block of the transformer: attention, then the wide layer
_ROTARY = 4  # bytes per token and channel of rotations, which are float32 in every model
_MODULATION = 1  # six modulations of a latent, in tokens
_COPIES = 2  # copies of a video's latents: noise and result, or the result and its parts
_ENCODER = 8  # copies of the encoder's widest features
_RESIDUAL = 4  # copies of the decoder's widest features in a block: in, inner, its input to a layer, out
_PICTURES = 42  # bytes per pixel and frame when pictures become features
# Values per pixel of the one frame whose detail is restored, and per pixel of the grid of its analysis.
_LEARNED = (20, 110)
_UNLEARNED = (14, 21)
_MOVED = 12  # values per pixel of the one frame whose head is moved: grids of places, the frame, the result
_PASTED = 4  # values per pixel of frames on their way into pictures
_COLORS = 3  # values per pixel of a picture


def weights_memory(*models: nn.Module | None) -> int:
    """Bytes of the weights of models; None counts as 0."""
    there = [model for model in models if model is not None]
    return sum(t.nbytes for model in there for t in (*model.parameters(), *model.buffers()))


def sampling_memory(
    transformer: A2VTransformer3DModel,
    prompt: Prompt,
    settings: ResolvedSettings,
    size: tuple[int, int],
    clips: int = 1,
) -> int:
    """Bytes that sampling steps need, without the weights and the video's latents.

    Args:
        transformer: the model.
        prompt: the checkpoint's text, used if the settings have none.
        settings: how to sample; the order ``wavefront`` samples several clips at once.
        size: (height, width) of the video in pixels.
        clips: number of clips of the video.
    """
    config, value = transformer.config, transformer.dtype.itemsize
    width = config.num_attention_heads * config.attention_head_dim
    places = size[0] * size[1] // PIXELS_PER_LATENT**2
    under_way = min(settings.steps, clips) if settings.order == "wavefront" else 1
    items = len(settings.guidance.branches) * under_way
    tokens = settings.window * (places + _MODULATION)
    gathered = items * _ROTARY if under_way > 1 else 0  # first and later clips in one batch
    work = tokens * width * (items * _BLOCK * value + gathered)
    return int(work) + conditions_memory(transformer, prompt, settings, size, clips)


def conditions_memory(
    transformer: A2VTransformer3DModel,
    prompt: Prompt,
    settings: ResolvedSettings,
    size: tuple[int, int],
    clips: int = 1,
) -> int:
    """The part of :func:`sampling_memory` that stays between clips.

    These are keys, values and rotations, and with a student the merged weights.
    """
    from .transformer.merged import merged_memory

    config, value = transformer.config, transformer.dtype.itemsize
    width = config.num_attention_heads * config.attention_head_dim
    places = size[0] * size[1] // PIXELS_PER_LATENT**2
    under_way = min(settings.steps, clips) if settings.order == "wavefront" else 1
    copies = 1 if under_way == 1 else 2  # of several clips, joined in each step
    own = len(settings.guidance.branches)
    items = (own + (1 if own > 1 and settings.guidance_end < 1 else 0)) * under_way * copies
    speech = settings.window * config.code_slots * items
    text = len((settings.text or prompt).embedding)
    keys_values = 2 * config.num_layers * width * (speech + text) * value
    rotations = 2 * settings.window * places * width * _ROTARY  # of first and of later clips
    merged = merged_memory(transformer) if settings.guidance.kind == "distilled" else 0
    return int(keys_values + rotations + merged)


def latents_memory(channels: int, window: int, size: tuple[int, int], clips: int) -> int:
    """Bytes of the latents of ``clips`` clips of ``window`` latents, and of their parts."""
    places = size[0] * size[1] // PIXELS_PER_LATENT**2
    return int(_COPIES * clips * window * channels * places * _FLOAT)


def decoding_memory(vae: TemporalVAE, size: tuple[int, int]) -> int:
    """Bytes that decoding needs with (height, width): a chunk of frames, and the frames of the one before."""
    config, value = _config(vae), vae.vae.dtype.itemsize
    channels = [
        count // factor
        for count, factor in zip(config.decoder_block_out_channels, config.upsample_factor, strict=True)
    ]
    features, before = (count * value / config.patch_size**2 for count in (*channels, channels[0])[:2])
    if config.decoder_spatio_temporal_scaling[0]:
        before /= 8  # the last block's input is smaller along time, height and width
    pictures = _COLORS * value
    converted = 0 if value == _FLOAT else _COLORS * _FLOAT
    most = max(_RESIDUAL * features + before, 2 * pictures + converted)
    pixels = chunk_pixels(vae, size)
    return int(pixels * most) + pictures_memory(pixels) + rounded_memory(vae)


def chunk_pixels(vae: TemporalVAE, size: tuple[int, int]) -> int:
    """Pixels of the frames of (height, width) that are decoded at a time."""
    return FRAMES_PER_LATENT * vae.settings.chunk * size[0] * size[1]


def rounded_memory(vae: TemporalVAE) -> int:
    """Bytes of the rounded weights that a decoder keeps while it works, see :class:`TemporalVAE`."""
    rounded = vae.conv_dtype
    if rounded is None:
        return 0
    weights: int = sum(weight.numel() for weight in vae.vae.decoder.parameters())
    return weights * rounded.itemsize


def encoding_memory(vae: TemporalVAE, frames: int, size: tuple[int, int]) -> int:
    """Bytes that encoding ``frames`` frames at once needs, without the weights: an upper estimate."""
    config = _config(vae)
    channels = config.decoder_block_out_channels[0] // config.upsample_factor[0]
    features = _ENCODER * channels * vae.vae.dtype.itemsize // config.patch_size**2
    return int(frames * size[0] * size[1] * max(features, _PICTURES))


def _config(vae: TemporalVAE) -> Any:
    """Configuration of the convolutions; the autoencoder of aligned faces contains another one."""
    return getattr(vae.vae, "autoencoder", vae.vae).config


def detail_memory(size: tuple[int, int], grid: tuple[int, int] = (256, 256), learned: bool = True) -> int:
    """Bytes that restoring the detail of one frame of (height, width) needs, without the result.

    Args:
        size: of the result.
        grid: that of the analysis, see :func:`read_core.detail.analysis.analysis_size`.
        learned: with the network.
    """
    result, analysis = _LEARNED if learned else _UNLEARNED
    return (size[0] * size[1] * result + grid[0] * grid[1] * analysis) * _FLOAT


def moving_memory(pixels: int) -> int:
    """Bytes that moving the head needs, without the frames and the results.

    Args:
        pixels: of a frame.
    """
    return pixels * _MOVED * _FLOAT


def pasting_memory(frames: int, pictures: int) -> int:
    """Bytes that pasting needs, with the pictures and without the frames.

    Args:
        frames: pixels of the pictures that show frames.
        pictures: pixels of the pictures.
    """
    return frames * _PASTED * _FLOAT + pictures_memory(pictures)


def pictures_memory(pixels: int) -> int:
    """Bytes of pictures with ``pixels`` pixels in total."""
    return pixels * _COLORS * _FLOAT


def waiting_memory(pixels: int) -> int:
    """Bytes of pictures with ``pixels`` pixels in total while they wait for the encoder, on the CPU."""
    return pixels * _COLORS
