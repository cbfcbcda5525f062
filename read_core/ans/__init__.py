"""The asynchronous noise scheduler (section 3.3).

Time is t = 1 for noise and t = 0 for data, float, one per latent: (B, 1+f). v = eps - Z(0) and
Z(t) = (1 - t) Z(0) + t eps. Latents are (B, C, 1+f, h, w), z_R first.
"""

from ..limits import ORDERS, Order
from .cells import ByStep
from .clips import clip_spans
from .forward import add_noise, velocity_target
from .guidance import Branch, DistilledCFG, Guidance, JointCFG, NoCFG, SplitCFG, guidance_from_dict, of_kind
from .noise import DECODING_STREAM, SAMPLING_STREAM, LatentNoise
from .reverse import OnStep, reverse, reverse_stream
from .times import Shift, draw_continuation, draw_times, guided_steps, shift_of, shift_times, timesteps

__all__ = [
    "DECODING_STREAM",
    "ORDERS",
    "SAMPLING_STREAM",
    "Branch",
    "ByStep",
    "DistilledCFG",
    "Guidance",
    "JointCFG",
    "LatentNoise",
    "NoCFG",
    "OnStep",
    "Order",
    "Shift",
    "SplitCFG",
    "add_noise",
    "clip_spans",
    "draw_continuation",
    "draw_times",
    "guidance_from_dict",
    "guided_steps",
    "of_kind",
    "reverse",
    "reverse_stream",
    "shift_of",
    "shift_times",
    "timesteps",
    "velocity_target",
]
