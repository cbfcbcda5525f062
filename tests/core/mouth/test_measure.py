"""The measure of the mouth against the truth of drawn presenters whom it has never seen."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from read_core.corpus.drawing.presenter import HAIR_STYLES, sample_presenter
from read_core.corpus.drawing.render import mouth_box, render
from read_core.corpus.motion import sample_motion
from read_core.corpus.speech.synthesized import Segment
from read_core.corpus.speech.visemes import mouth_track
from read_core.errors import InputError
from read_core.evaluation.metrics.psnr import psnr
from read_core.evaluation.metrics.sync import best_lag, correlation
from read_core.mouth.measure import WEIGHTS, mouth_opening, mouth_shape
from read_core.mouth.reader import SOFT, gaussian_blur, load_reader, square

FRAMES = 36
BANDS = 8
PHONEMES = "_ h @ l oU _ m aI f A: D 3 b O: t f I S p u: l w e@ _ s iy: v @ n _".replace("iy:", "i:").split()


def talk(frames):
    """A true track without a synthesizer: phonemes of 70 ms."""
    segments = [Segment(p, 0.07 * i, 0.07 * (i + 1)) for i, p in enumerate(PHONEMES)]
    return mouth_track(segments, "espeak", frames)


def draw(seed, size=128, frames=FRAMES):
    presenter = sample_presenter(seed, "test")
    motion = sample_motion(seed, 200)
    motion = type(motion)(**{name: track[150 - frames : 150] for name, track in vars(motion).items()})
    return render(presenter, motion, talk(frames), size), mouth_box(presenter, motion, size)


def chosen_faces():
    """Seeds of the test split: every hair style, at least two faces in each of 8 bands of skin tone."""
    seeds, styles, bands, beards, glasses = [], set(), [0] * BANDS, set(), set()
    for seed in range(400):
        face = sample_presenter(seed, "test")
        band = min(int(face.skin_tone * BANDS), BANDS - 1)
        new = face.hair.style not in styles or face.beard not in beards or face.glasses not in glasses
        if new or bands[band] < 2:
            seeds.append(seed)
            styles.add(face.hair.style)
            beards.add(face.beard)
            glasses.add(face.glasses)
            bands[band] += 1
    assert styles == set(HAIR_STYLES)
    assert len(beards) == 4
    assert len(glasses) == 3
    assert min(bands) >= 2
    return seeds


@pytest.fixture(scope="module")
def faces():
    """Frames and mouth boxes by seed."""
    return {seed: draw(seed) for seed in chosen_faces()}


@pytest.fixture(scope="module")
def measured(faces):
    return {seed: mouth_shape(frames) for seed, (frames, _) in faces.items()}


def spoil(frames, sigma=1.6, noise=0.03):
    blurred = gaussian_blur(frames.permute(0, 3, 1, 2), sigma).permute(0, 2, 3, 1)
    return (blurred + noise * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )


@pytest.mark.slow
def test_opening_agrees_with_the_truth_on_every_skin_tone_hair_beard_and_glasses(measured):
    track = talk(FRAMES)
    for seed, shape in measured.items():
        assert correlation(shape[:, 0], track[:, 0]) >= 0.9, sample_presenter(seed, "test")


@pytest.mark.slow
def test_width_and_rounding_agree_with_the_truth(measured):
    track = talk(FRAMES)
    shapes = measured.values()
    assert sum(correlation(shape[:, 1], track[:, 1]) for shape in shapes) / len(shapes) >= 0.7
    assert sum(correlation(shape[:, 2], track[:, 2]) for shape in shapes) / len(shapes) >= 0.85


@pytest.mark.slow
def test_it_is_robust_to_what_a_codec_does(faces):
    track = talk(FRAMES)
    for frames, _ in list(faces.values())[::2]:
        spoiled = spoil(frames)
        assert 20 < psnr(spoiled, frames) < 29
        assert correlation(mouth_opening(spoiled), track[:, 0]) >= 0.85


def find_mouth(frames):
    """Where the reader looks, (F, 2), x and y in pixels of square frames."""
    pictures = gaussian_blur(square(frames), SOFT)
    with torch.no_grad():
        return (load_reader(WEIGHTS).find(pictures) + 1) * frames.shape[1] / 2


@pytest.mark.slow
def test_it_finds_the_mouth_by_itself(faces):
    for frames, boxes in faces.values():
        x, y = find_mouth(frames).unbind(dim=1)
        left, top, right, bottom = boxes.unbind(dim=1)
        assert bool(((x > left) & (x < right) & (y > top) & (y < bottom)).all())


@pytest.mark.parametrize("size", [64, 256, (128, 192)])
def test_other_sizes_give_the_same_track(size):
    frames, _ = draw(3, size, frames=30)
    assert correlation(mouth_opening(frames), talk(30)[:, 0]) >= 0.9


def test_a_moved_picture_is_followed():
    frames, _ = draw(4, frames=8)
    moved = F.pad(frames.permute(0, 3, 1, 2), (12, 0, 0, 0), mode="replicate")[..., :128].permute(0, 2, 3, 1)
    shift = find_mouth(moved)[:, 0] - find_mouth(frames)[:, 0]
    assert shift.mean().item() == pytest.approx(12, abs=4)


def test_a_closed_mouth_reads_closed_and_an_open_one_open():
    presenter, motion = sample_presenter(6, "test"), sample_motion(6, 1)
    for opening, low, high in ((0.0, 0.0, 0.1), (1.0, 0.8, 1.0)):
        frame = render(presenter, motion, torch.tensor([[opening, 0.0, 0.0]]))
        assert low <= mouth_opening(frame).item() <= high


def test_pieces_and_the_whole_give_the_same():
    frames, _ = draw(5, frames=40)
    pieces = torch.cat([mouth_shape(frames[:7]), mouth_shape(frames[7:])])
    torch.testing.assert_close(pieces, mouth_shape(frames), atol=1e-4, rtol=0)


def test_a_frozen_video_has_a_still_track_and_no_correlation():
    frames = draw(7, frames=1)[0].expand(30, -1, -1, -1)
    opening = mouth_opening(frames)
    assert opening.std().item() < 1e-4
    assert correlation(opening, talk(30)[:, 0]) == 0.0
    assert best_lag(opening, talk(30)[:, 0]) == (0, 0.0)


def test_flat_pictures_give_finite_values():
    assert bool(mouth_shape(torch.zeros(2, 64, 64, 3)).isfinite().all())


def test_no_frames_give_no_values():
    assert mouth_shape(torch.zeros(0, 64, 64, 3)).shape == (0, 3)


WRONG = (
    torch.zeros(2, 3, 64, 64),
    torch.zeros(64, 64, 3),
    torch.zeros(2, 64, 64, 3).byte(),
    torch.zeros(1, 16, 64, 3),
)


@pytest.mark.parametrize("frames", WRONG)
def test_anything_but_frames_is_refused(frames):
    with pytest.raises(InputError, match="frames"):
        mouth_opening(frames)


def test_the_weights_are_small():
    assert WEIGHTS.stat().st_size < 100_000
