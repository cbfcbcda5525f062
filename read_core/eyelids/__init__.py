"""Blinks: close the eyelids of a face in finished frames at random times.

A small transformer trained on little footage generates no blinks of its own, and a face that never blinks
looks like a mask. This part stands behind the decoder, is optional in a checkpoint and can be switched off.
"""

from .blinker import Blinker
from .network import EyelidNetwork
from .times import BlinkTimes

__all__ = ["BlinkTimes", "Blinker", "EyelidNetwork"]
