"""Puppets: the still itself, boxes, the border, and that nothing depends on how frames are drawn together."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.corpus.motion import neutral_motion, sample_motion
from read_core.corpus.photo.puppet import MARGIN, eye_boxes, make_puppet, mouth_boxes, render_puppet

from .conftest import SIZE, grid, mouths, moving, places

LARGEST = {"yaw": 0.155, "pitch": 0.095, "roll": 0.06, "x": 0.02, "y": 0.012, "scale": 0.02}
"""Of each track what 95 % of scenes stay below, here all at once."""


def psnr(a, b):
    return float(-10 * (a - b).square().mean().log10())


def test_a_neutral_frame_is_the_still(puppet):
    side = puppet.still.shape[-1]
    cut = side * MARGIN / (1 + 2 * MARGIN)
    pixels = (puppet.still.permute(1, 2, 0) * 255).round().byte().numpy()
    shown = Image.fromarray(pixels).resize(
        (SIZE, SIZE), Image.Resampling.BILINEAR, box=(cut, cut, side - cut, side - cut), reducing_gap=None
    )
    frame = render_puppet(puppet, neutral_motion(1), torch.zeros(1, 3), SIZE)[0]
    assert psnr(frame, torch.from_numpy(np.asarray(shown) / 255)) > 32


def test_nothing_moves_in_a_neutral_frame(ramp):
    frame = places(render_puppet(ramp, neutral_motion(1), torch.zeros(1, 3), SIZE))[0]
    moved = (frame - grid(SIZE)).norm(dim=-1) * SIZE
    assert moved.max() < 0.05


def test_frames_do_not_depend_on_their_neighbors(puppet):
    motion = sample_motion(1, 9)
    track = torch.rand(9, 3, generator=torch.Generator().manual_seed(0))
    together = render_puppet(puppet, motion, track, SIZE)
    assert torch.equal(together, render_puppet(puppet, motion, track, SIZE))
    for i in (0, 4, 8):
        alone = dataclasses.replace(
            motion, **{f.name: getattr(motion, f.name)[i : i + 1] for f in dataclasses.fields(motion)}
        )
        assert torch.allclose(render_puppet(puppet, alone, track[i : i + 1], SIZE)[0], together[i], atol=1e-6)
    assert 0 <= float(together.min()) <= float(together.max()) <= 1


def test_sizes_show_the_same(puppet):
    track = mouths((0.7, 0, 0))
    small, large = (render_puppet(puppet, moving(1, yaw=0.1), track, size)[0] for size in (64, 128))
    assert psnr(small, large.reshape(64, 2, 64, 2, 3).mean((1, 3))) > 30


@pytest.mark.parametrize("sign", [0, 1, -1])
def test_boxes_hold_the_open_mouth(white, sign):
    rows = [(o, w, r) for o in (0.3, 1.0) for w, r in ((-1, 0), (0, 0), (1, 0), (0, 1))]
    motion = moving(len(rows), **{name: sign * value for name, value in LARGEST.items()})
    frames = render_puppet(white, motion, mouths(*rows), SIZE)
    for frame, (x0, y0, x1, y1) in zip(frames, mouth_boxes(white, motion, SIZE), strict=True):
        y, x = torch.nonzero(frame.amin(-1) < 0.97, as_tuple=True)
        assert len(x) > 0
        assert x0 <= x.min() + 0.5
        assert y0 <= y.min() + 0.5
        assert x.max() + 0.5 <= x1
        assert y.max() + 0.5 <= y1


@pytest.mark.parametrize("sign", [0, 1, -1])
def test_boxes_hold_the_blinking_eyes(puppet, sign):
    tracks = {name: sign * value for name, value in LARGEST.items()}
    motion = moving(2, blink=torch.tensor([0.0, 1.0]), **tracks)
    opened, shut = render_puppet(puppet, motion, torch.zeros(2, 3), SIZE)
    changed = (opened - shut).abs().amax(-1) > 0.02
    covered = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    for x0, y0, x1, y1 in eye_boxes(puppet, motion, SIZE)[0].tolist():
        covered[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1] = True
        assert changed[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1].any()
    assert not (changed & ~covered).any()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_border_stands_still(ramp, sign):
    """So that a crop can be put back: not even a speaking, nodding head moves its outermost pixels."""
    motion = moving(2, **{name: sign * value for name, value in LARGEST.items()})
    frames = places(render_puppet(ramp, motion, mouths((0, 0, 0), (1, 1, 0)), SIZE))
    moved = (frames - grid(SIZE)).norm(dim=-1) * SIZE
    edge = torch.ones(SIZE, SIZE, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    assert moved[:, edge].max() < 0.5


def test_teeth_of_an_open_still_are_kept(puppet, loaded):
    """A still that shows teeth is drawn with its own, so that the frame with its own opening is the still."""
    landmarks = loaded[1].clone()
    lower = [95, 88, 178, 87, 14, 317, 402, 318, 324]
    landmarks[lower, 1] += (
        0.25 * puppet.face.mouth.axes.half * torch.tensor([0.3, 0.6, 0.85, 0.97, 1.0, 0.97, 0.85, 0.6, 0.3])
    )
    grin = make_puppet(puppet.still, landmarks, random.Random(0))
    assert grin.face.mouth.gap > 0.2
    rest = grin.face.mouth.gap * grin.face.mouth.axes.half / (grin.opening * grin.face.eye_distance)
    neutral = render_puppet(puppet, neutral_motion(1), torch.zeros(1, 3), SIZE)
    assert psnr(render_puppet(grin, neutral_motion(1), mouths((rest, 0, 0)), SIZE), neutral) > 30


def test_dark_glasses_are_noticed_and_shaded_eyes_are_eyes(puppet, loaded):
    shaded, dark = puppet.still.clone(), puppet.still.clone()
    side = dark.shape[-1]
    for eye in puppet.face.eyes:
        x, y = ((eye.axes.origin + MARGIN) / (1 + 2 * MARGIN) * side).long().tolist()
        reach = round(2.2 * eye.axes.half * side / (1 + 2 * MARGIN))
        around = (slice(None), slice(y - reach, y + reach), slice(x - reach, x + reach))
        dark[around] = 0.03
        shaded[around] *= 0.5  # brows, hats, deep-set eyes
    covered = [
        make_puppet(still, loaded[1], random.Random(0)).covered for still in (puppet.still, shaded, dark)
    ]
    assert covered == [False, False, True]
