"""Drawing: deterministic, independent of the size, and with a mouth that shows what its track says."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from read_core.corpus.drawing.lips import TEETH
from read_core.corpus.drawing.presenter import Presenter, sample_presenter
from read_core.corpus.drawing.render import mouth_box, render
from read_core.corpus.motion import neutral_motion, sample_motion
from read_core.errors import InputError


def mouth_track(frames: int) -> Tensor:
    t = torch.arange(frames)
    return torch.stack([0.5 + 0.5 * torch.sin(t / 2), torch.sin(t / 5), 0.5 + 0.5 * torch.sin(t / 7)], dim=1)


def opening_area(frames: Tensor, presenter: Presenter, boxes: Tensor) -> Tensor:
    """Pixels of each frame's mouth box that look like teeth or the dark inside, by nearest color."""
    inside = torch.tensor([presenter.inside_color, TEETH, tuple(0.85 * c for c in TEETH)])
    lip, skin = torch.tensor(presenter.lip_color), torch.tensor(presenter.skin)
    beard = torch.tensor(presenter.beard_color)
    outside = torch.stack([lip, 0.85 * lip, 1.2 * lip, skin, 0.85 * skin, 0.7 * skin, 1.1 * skin, beard])
    areas = []
    for frame, (x0, y0, x1, y1) in zip(frames, boxes.round().int().tolist(), strict=True):
        pixels = frame[y0:y1, x0:x1].reshape(-1, 3)
        nearest = torch.cdist(pixels, torch.cat([inside, outside])).argmin(dim=1)
        areas.append((nearest < len(inside)).sum())
    return torch.stack(areas).float()


def painted(presenter: Presenter) -> Presenter:
    """With green skin and blue lips, so that nothing else in the mouth box looks like its inside."""
    return dataclasses.replace(plain(presenter), skin=(0.3, 0.9, 0.4), lip_color=(0.3, 0.4, 0.95), blush=0.0)


def is_opening(pixels: Tensor) -> Tensor:
    """Which pixels (..., 3) of a painted presenter's mouth box show teeth, tongue or the dark inside."""
    red, green, blue = pixels.unbind(-1)
    return (torch.maximum(green, blue) - red < 0.15) | (pixels.amax(-1) < 0.25)


def plain(presenter: Presenter) -> Presenter:
    """Without what moves along with the lips outside them."""
    return dataclasses.replace(presenter, beard="none", moustache=0.0, jaw_drop=0.0)


@pytest.mark.parametrize("size", [64, 128, (96, 160)])
def test_shape_type_and_range(size):
    height, width = (size, size) if isinstance(size, int) else size
    for seed in range(8):
        frames = render(sample_presenter(seed), sample_motion(seed, 3), mouth_track(3), size)
        assert frames.shape == (3, height, width, 3)
        assert frames.dtype == torch.float32
        assert frames.isfinite().all()
        assert frames.min() >= 0.0
        assert frames.max() <= 1.0
    assert (
        render(sample_presenter(0), sample_motion(0, 1), mouth_track(1), dtype=torch.float16).dtype
        == torch.float16
    )


def test_same_input_gives_the_same_pixels():
    arguments = (sample_presenter(1), sample_motion(1, 5), mouth_track(5))
    assert torch.equal(render(*arguments), render(*arguments))


def test_a_slice_equals_that_part_of_the_whole():
    presenter, motion, mouth = sample_presenter(2), sample_motion(2, 30), mouth_track(30)
    whole = render(presenter, motion, mouth)
    torch.testing.assert_close(
        render(presenter, motion, mouth, start=7, stop=21), whole[7:21], atol=1e-5, rtol=0
    )
    assert render(presenter, motion, mouth, start=4, stop=4).shape == (0, 128, 128, 3)


@pytest.mark.parametrize("seed", range(12))
def test_the_picture_does_not_depend_on_the_size(seed):
    presenter, motion, mouth = sample_presenter(seed), sample_motion(seed, 40), mouth_track(40)
    small = render(presenter, motion, mouth, 128, start=36)
    large = render(presenter, motion, mouth, 256, start=36)
    reduced = F.avg_pool2d(large.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    error = (reduced - small).abs()
    assert error.mean() < 0.002
    assert error.quantile(0.999) < 0.1


def test_opening_grows_with_open_on_every_skin():
    opens = torch.linspace(0, 1, 9)
    track = torch.stack([opens, torch.zeros(9), torch.zeros(9)], dim=1)
    tones = []
    for seed in range(40):
        presenter, motion = sample_presenter(seed, "test"), neutral_motion(9)
        tones.append(presenter.skin_tone)
        area = opening_area(render(presenter, motion, track), presenter, mouth_box(presenter, motion))
        assert (area[2:].diff() > 0).all(), f"presenter {seed}: {area.tolist()}"
        assert (
            area[2] > area[:2].max()
        )  # below a quarter the gap and the line of the lips are one pixel or two
        assert torch.corrcoef(torch.stack([area, opens]))[0, 1] > 0.98
    assert min(tones) < 0.1
    assert max(tones) > 0.9


@pytest.mark.parametrize(("width", "rounding"), [(-1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (-0.5, 0.5)])
def test_opening_height_is_proportional_to_open_in_every_shape(width, rounding):
    """Along the middle column, what changes from the closed mouth to the open one is the gap, in pixels."""
    presenter = dataclasses.replace(painted(sample_presenter(4)), smile=0.0, head_x=0.0)
    opens = torch.tensor([0.25, 0.5, 0.75, 1.0])
    track = torch.stack([opens, torch.full((4,), width), torch.full((4,), rounding)], dim=1)
    column = render(presenter, neutral_motion(4), track, 512)[:, :, 256]
    _, top, _, bottom = mouth_box(presenter, neutral_motion(1), 512)[0].round().int().tolist()
    height = is_opening(column[:, top:bottom]).sum(1)
    expected = opens * presenter.mouth_gap * presenter.head_scale * 512
    assert (height - expected).abs().max() < 5  # the lip line adds up to two pixels on each side


@pytest.mark.parametrize("seed", range(10))
def test_without_jaw_and_beard_the_mouth_box_contains_every_change(seed):
    """The jaw, and a beard with it, move below the box too; everything else of the mouth stays inside."""
    presenter = plain(sample_presenter(seed))
    shapes = torch.tensor(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, -1, 1], [0, -1, 1], [0.5, 1, 1], [0, 1, 0]]
    ).float()
    whole = sample_motion(seed, 100)
    motion = type(whole)(**{k: v[90:91].expand(7, *v.shape[1:]) for k, v in vars(whole).items()})
    frames = render(presenter, motion, shapes)
    x0, y0, x1, y1 = mouth_box(presenter, motion)[0].tolist()
    changed = (frames - frames[:1]).abs().amax(dim=(0, 3)) > 0.01
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert len(rows) > 500
    assert rows.min() + 1 > y0
    assert rows.max() < y1
    assert columns.min() + 1 > x0
    assert columns.max() < x1


def test_the_jaw_moves_only_below_the_mouth():
    presenter = dataclasses.replace(sample_presenter(5), beard="none", moustache=0.0)
    frames = render(presenter, neutral_motion(2), torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]))
    changed = (frames[1] - frames[0]).abs().amax(-1) > 0.01
    _, y0, _, y1 = mouth_box(presenter, neutral_motion(1))[0].round().int().tolist()
    assert changed[y1 + 1 :].any()
    assert not changed[:y0].any()


def test_mouth_box_is_large_enough_and_follows_the_head():
    for seed in range(20):
        presenter = sample_presenter(seed)
        box = mouth_box(presenter, neutral_motion(1))[0]
        assert box[2] - box[0] > 0.25 * 128
        assert box[3] - box[1] > 0.2 * 128
        assert box.min() > 0
        assert box.max() < 128
    motion = dataclasses.replace(neutral_motion(2), x=torch.tensor([0.0, 0.05]))
    boxes = mouth_box(sample_presenter(0), motion, 200)
    torch.testing.assert_close(boxes[1] - boxes[0], torch.tensor([10.0, 0.0, 10.0, 0.0]), atol=1e-3, rtol=0)


def test_wide_is_wider_than_round():
    presenter = painted(sample_presenter(6))
    track = torch.tensor([[0.6, 1, 0], [0.6, 0, 0], [0.6, 0, 1]])
    frames = render(presenter, neutral_motion(3), track)
    x0, y0, x1, y1 = mouth_box(presenter, neutral_motion(1))[0].round().int().tolist()
    extent = is_opening(frames[:, y0:y1, x0:x1]).any(dim=1).sum(dim=1)
    assert extent[0] > extent[1] + 2
    assert extent[1] > extent[2] + 8


def test_a_blink_covers_the_eyes():
    for seed in range(10):
        presenter = dataclasses.replace(painted(sample_presenter(seed)), glasses="none")
        motion = dataclasses.replace(neutral_motion(2), blink=torch.tensor([0.0, 1.0]))
        opened, closed = render(presenter, motion, torch.zeros(2, 3))
        scale = 128 * presenter.head_scale
        row = round(64 + 128 * presenter.head_y + scale * presenter.eye_y)
        sides = [
            round(64 + 128 * presenter.head_x + side * scale * presenter.eye_spacing) for side in (-1, 1)
        ]
        for column in sides:
            view = (slice(row - 3, row + 4), slice(column - 7, column + 8))
            white = torch.tensor([0.93, 0.93, 0.93])
            assert (opened[view] - white).abs().amax(-1).lt(0.12).sum() > 5
            assert (closed[view] - white).abs().amax(-1).gt(0.2).all()


def test_gaze_moves_the_irises():
    presenter = dataclasses.replace(sample_presenter(8), glasses="none")
    motion = dataclasses.replace(neutral_motion(3), gaze=torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    frames = render(presenter, motion, torch.zeros(3, 3), 256)
    row = round(128 + 256 * (presenter.head_y + presenter.head_scale * presenter.eye_y))
    middle = 128 + 256 * (presenter.head_x + presenter.head_scale * presenter.eye_spacing)
    columns = torch.arange(256)
    eye = ((columns - middle).abs() < 0.85 * presenter.eye_width * presenter.head_scale * 256).float()
    dark = eye * (1.0 - frames[:, row].mean(-1))
    center = (dark * columns).sum(1) / dark.sum(1)
    assert center[0] + 1 < center[1] < center[2] - 1


def test_bad_arguments_are_refused():
    presenter, motion = sample_presenter(0), neutral_motion(4)
    with pytest.raises(InputError, match=r"\(3, 3\).*\(4, 3\)"):
        render(presenter, motion, torch.zeros(3, 3))
    with pytest.raises(InputError, match="8 x 8"):
        render(presenter, motion, torch.zeros(4, 3), 8)
    with pytest.raises(InputError, match="2 to 9"):
        render(presenter, motion, torch.zeros(4, 3), start=2, stop=9)
