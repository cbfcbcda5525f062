"""Sample with a plain loop over diffusers' LTX-Video transformer, for comparison."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from diffusers import LTXVideoTransformer3DModel
from einops import rearrange, repeat

from ..ans import timesteps
from ..transformer.model import TIME_SCALE
from ..weights.ltx_transformer import is_addition

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import ReadPipeline
    from ..records import ResolvedSettings
    from ..transformer import A2VTransformer3DModel


def plain_model(model: A2VTransformer3DModel) -> LTXVideoTransformer3DModel:
    """diffusers' model with our weights, without the audio branch and the null tokens."""
    config = model.config
    with torch.device("meta"):
        made = LTXVideoTransformer3DModel(
            in_channels=config.in_channels,
            out_channels=config.out_channels,
            num_attention_heads=config.num_attention_heads,
            attention_head_dim=config.attention_head_dim,
            cross_attention_dim=config.num_attention_heads * config.attention_head_dim,
            num_layers=config.num_layers,
            caption_channels=config.caption_channels,
        )
    shared = {key: value for key, value in model.state_dict().items() if not is_addition(key)}
    made.load_state_dict(shared, assign=True)
    return made.eval()


def plain_clip(
    model: LTXVideoTransformer3DModel,
    pipe: ReadPipeline,
    reference: Tensor,
    settings: ResolvedSettings,
    per_token: bool = True,
) -> Tensor:
    """Sample one clip from noise, as a diffusers pipeline does between its encoders and its decoder.

    Args:
        model: from :func:`plain_model`.
        pipe: gives the text and the schedule.
        reference: z_R, (1, C, 1, h, w), on the model's device.
        settings: steps, guidance and window.
        per_token: a time per token, as in diffusers' image-to-video pipelines; it keeps z_R. False: a time
            per item, which is cheaper and does not.

    Returns:
        (1, C, W, h, w), z_R first.
    """
    z_r = reference.to(torch.float32)
    z = torch.cat([z_r, plain_noise(z_r, settings.window - 1)], dim=2)
    return _clip(model, pipe, z, settings, per_token)[-1]


def plain_video(
    model: LTXVideoTransformer3DModel,
    pipe: ReadPipeline,
    reference: Tensor,
    settings: ResolvedSettings,
    clips: int,
) -> Tensor:
    """Sample clips by Algorithm 1, one after the other, with a time per token.

    Args: as :func:`plain_clip`.

    Returns:
        (1, C, N, h, w), without z_R.
    """
    z_r = reference.to(torch.float32)
    new = settings.window - 1
    parts: list[Tensor] = []
    trail: list[Tensor] | None = None
    for clip in range(clips):
        noise = plain_noise(z_r, new, clip)
        noise = noise if trail is None else torch.cat([trail[0], noise[:, :, 1:]], dim=2)
        states = _clip(model, pipe, torch.cat([z_r, noise], dim=2), settings, True, trail)
        parts.append(states[-1][:, :, 1 if trail is None else 2 :])
        trail = [state[:, :, -1:] for state in states]
    return torch.cat(parts, dim=2)


def plain_noise(reference: Tensor, count: int, seed: int = 0) -> Tensor:
    """Noise for ``count`` latents of the shape of ``reference``, on its device."""
    _, channels, _, height, width = reference.shape
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, count, height, width, generator=generator).to(reference.device)


@torch.no_grad()
def _clip(
    model: LTXVideoTransformer3DModel,
    pipe: ReadPipeline,
    z: Tensor,
    settings: ResolvedSettings,
    per_token: bool,
    trail: list[Tensor] | None = None,
) -> list[Tensor]:
    """The latents of a clip (1, C, W, h, w), z_R first, at all times from noise to data.

    ``trail``: the last latent of the clip before at these times, (1, C, 1, h, w) each; it is the motion
    frame, one step ahead. None: the first clip.
    """
    device, frames = z.device, settings.window
    height, width = z.shape[3:]
    branches = len(settings.guidance.branches)
    text = pipe.prompt.embedding.to(device, model.dtype).expand(branches, -1, -1)
    mask = pipe.prompt.mask.to(device).expand(branches, -1)
    moves = torch.ones(frames, device=device)
    moves[0] = 0.0 if per_token else 1.0
    shift = pipe.defaults.shift_at(frames * height * width)
    states = [z]
    for step, (now, after) in enumerate(pairwise(timesteps(settings.steps, shift).tolist())):
        times = moves * now
        if trail is not None:
            z = torch.cat([z[:, :, :1], trail[step + 1], z[:, :, 2:]], dim=2)
            times[1], moves[1] = after, 0.0
        t = repeat(times, "f -> e (f n)", e=branches, n=height * width)
        velocity = model(
            hidden_states=repeat(z.to(model.dtype), "1 c f h w -> e (f h w) c", e=branches),
            encoder_hidden_states=text,
            timestep=TIME_SCALE * (t if per_token else t[:, -1]),
            encoder_attention_mask=mask,
            num_frames=frames,
            height=height,
            width=width,
            rope_interpolation_scale=(8 / 25, 32, 32),
            return_dict=False,
        )[0]
        tokens = rearrange(velocity.float(), "e (f h w) c -> e 1 c f h w", f=frames, h=height, w=width)
        z = z + (after - now) * rearrange(moves, "f -> 1 1 f 1 1") * settings.guidance.combine(tokens)
        states.append(z)
    return states
