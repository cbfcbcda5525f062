"""Memory that models and work need, by arithmetic: nothing is run.

The figures for the work are upper estimates of the tensors that are alive at once. Tests compare them with
measured peaks: never less, at most twice as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT

if TYPE_CHECKING:
    from torch import nn

    from .checkpoint import Prompt
    from .records import ResolvedSettings
    from .transformer import A2VTransformer3DModel
    from .video import TemporalVAE

_FLOAT = 4  # bytes
_BLOCK = 16  # values per token and channel in a block of the transformer: attention, then the wide layer
_ROTARY = 8  # bytes per token and channel of rotations, which are float32 in every model
_ROTARY_TABLES = 16  # the same, while both variants of the grid are built
_MODULATION = 1  # six modulations of a latent, in tokens
_COPIES = 4  # copies of a video's latents: noise, result and the parts they are joined from
_DECODER = 8  # copies of the decoder's widest features
_PICTURES = 42  # bytes per pixel and frame when features become pictures
_DETAIL = 48  # values per pixel of the one frame whose detail is restored
_PASTED = 12  # values per pixel of pasted pictures
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
    work = tokens * width * (items * (_BLOCK * value + _ROTARY) + _ROTARY_TABLES)
    copies = 1 if under_way == 1 else 2  # of several clips, joined in each step
    # Keys and values of speech, twice for a clip while they are projected; and of text.
    speech = settings.window * config.code_slots * (items * copies + 1)
    text = len((settings.text or prompt).embedding)
    keys_values = 2 * config.num_layers * width * (speech + text) * value
    return int(work + keys_values)


def latents_memory(channels: int, window: int, size: tuple[int, int], clips: int) -> int:
    """Bytes of the latents of ``clips`` clips of ``window`` latents, and of their parts."""
    places = size[0] * size[1] // PIXELS_PER_LATENT**2
    return int(_COPIES * clips * window * channels * places * _FLOAT)


def decoding_memory(vae: TemporalVAE, size: tuple[int, int]) -> int:
    """Bytes that decoding a chunk of frames of (height, width) needs, without the weights."""
    return coding_memory(vae, FRAMES_PER_LATENT * (vae.settings.chunk + 2 * vae.settings.halo), size)


def coding_memory(vae: TemporalVAE, frames: int, size: tuple[int, int]) -> int:
    """Bytes that the autoencoder needs for ``frames`` frames at once, without the weights."""
    config = getattr(
        vae.vae, "autoencoder", vae.vae
    ).config  # the autoencoder of aligned faces contains another one
    channels = config.decoder_block_out_channels[0] // config.upsample_factor[0]
    features = _DECODER * channels * vae.vae.dtype.itemsize // config.patch_size**2
    return int(frames * size[0] * size[1] * max(features, _PICTURES))


def detail_memory(size: tuple[int, int]) -> int:
    """Bytes that restoring the detail of one frame of (height, width) needs."""
    return size[0] * size[1] * _DETAIL * _FLOAT


def pasting_memory(pixels: int) -> int:
    """Bytes that pasting frames into pictures with ``pixels`` pixels in total needs."""
    return pixels * _PASTED * _FLOAT


def pictures_memory(pixels: int) -> int:
    """Bytes of pictures with ``pixels`` pixels in total."""
    return pixels * _COLORS * _FLOAT
