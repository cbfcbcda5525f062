"""The loss of the mouth's shape: what the reader says of both videos, by hand; its weights fitted once."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import eye_boxes, mouth_box, render
from read_core.corpus.motion import sample_motion
from read_core.errors import InputError
from read_core.mouth import fit
from read_core.mouth.face_fit import FaceFitSettings
from read_core.mouth.face_reader import load_face_reader
from read_core.mouth.fit import FitSettings
from read_core.mouth.reader import SIDE, SOFT, crop, gaussian_blur, load_reader
from read_core.training.stages.mouth_loss import FaceLoss, MouthLoss

SETTINGS = FitSettings(presenters=4, steps=30, batch=8, seed=1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader") / "reader.safetensors"
    MouthLoss(path, SETTINGS)
    return path


def video(opening, seed=3, frames=5):
    """A drawn face whose mouth is open by ``opening`` in all frames: pixels (1, 3, f, SIDE, SIDE), boxes."""
    presenter, motion = sample_presenter(seed), sample_motion(seed, frames)
    mouth = torch.tensor([opening, 0.0, 0.0]).expand(frames, 3)
    pixels = render(presenter, motion, mouth, SIDE).permute(3, 0, 1, 2)[None] * 2 - 1
    return pixels, mouth_box(presenter, motion, SIDE)[None]


def test_it_is_the_difference_of_what_the_reader_reads(weights):
    (output, _), (pixels, boxes) = video(0.9), video(0.0)
    reader = load_reader(weights)
    total = 0.0
    for index in range(5):
        x0, y0, x1, y1 = boxes[0, index].tolist()
        center = torch.tensor([[(x0 + x1) / SIDE - 1, (y0 + y1) / SIDE - 1]])
        for blur in (0.0, SOFT):
            read = []
            for frames in (output, pixels):
                picture = (frames[:, :, index] + 1) / 2
                read.append(reader.shape(gaussian_blur(picture, blur) if blur else picture, center)[0])
            total += sum((a - b) ** 2 for a, b in zip(*(r.tolist() for r in read), strict=True))
    loss = MouthLoss(weights, SETTINGS)(output, pixels, boxes)
    assert loss.item() == pytest.approx(total / 10, rel=1e-3)
    assert total > 0


def test_the_same_video_costs_nothing_and_only_the_mouth_counts(weights):
    loss = MouthLoss(weights, SETTINGS)
    pixels, boxes = video(0.5)
    assert loss(pixels, pixels, boxes).item() == 0
    x0, y0, x1, y1 = (boxes[0, 0] + 0.0).tolist()
    corner = torch.zeros_like(pixels)
    corner[..., :8, :8] = 0.5
    mouth = torch.zeros_like(pixels)
    mouth[..., int(y0) : int(y1), int(x0) : int(x1)] = 0.5
    assert loss(pixels + corner, pixels, boxes).item() == pytest.approx(0, abs=1e-6)
    assert loss(pixels + mouth, pixels, boxes).item() > 1e-4


def test_the_middle_square_of_a_larger_picture_is_read_alike(weights):
    loss = MouthLoss(weights, SETTINGS)
    (output, _), (pixels, boxes) = video(0.9), video(0.0)
    plain = loss(output, pixels, boxes)

    def embedded(frames):
        return F.pad(frames.flatten(0, 2), (32, 32, 0, 0)).view(1, 3, 5, SIDE, SIDE + 64)

    moved = boxes + torch.tensor([32.0, 0.0, 32.0, 0.0])
    torch.testing.assert_close(loss(embedded(output), embedded(pixels), moved), plain)

    def doubled(frames):
        return frames.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)

    torch.testing.assert_close(loss(doubled(output), doubled(pixels), 2 * boxes), plain, rtol=0.1, atol=1e-3)


def test_following_its_gradient_brings_the_mouths_together(weights):
    loss = MouthLoss(weights, SETTINGS)
    (start, _), (pixels, boxes) = video(0.9), video(0.0)
    output = start.clone().requires_grad_()
    first = loss(output, pixels, boxes)
    (gradient,) = torch.autograd.grad(first, output)
    assert all(p.grad is None and not p.requires_grad for p in loss.parameters())
    inside = crop(gradient[0].transpose(0, 1), torch.zeros(5, 2))  # the middle of the picture holds the mouth
    assert inside.abs().sum() > 0
    step = 0.1 * first.item() / gradient.square().sum().item()
    assert loss(start - step * gradient, pixels, boxes).item() < first.item()


def test_the_reader_is_fitted_once_and_never_left_half_written(tmp_path, weights, monkeypatch):
    path = tmp_path / "out" / "reader.safetensors"
    MouthLoss(path, SETTINGS)
    assert path.read_bytes() == weights.read_bytes()  # the same settings, the same reader
    assert [file.name for file in path.parent.iterdir()] == [path.name]

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "train_reader", killed)
    MouthLoss(path, SETTINGS)  # read, not fitted again
    with pytest.raises(KeyboardInterrupt):
        MouthLoss(tmp_path / "other" / "reader.safetensors", SETTINGS)
    assert not (tmp_path / "other" / "reader.safetensors").exists()


def test_it_is_not_the_evaluation_s_own_reader():
    from read_core.training.stages.vae import ReaderFit

    assert FitSettings().seed != ReaderFit().seed
    with pytest.raises(ValueError, match="greater than 0"):
        ReaderFit(seed=FitSettings().seed)


FACES = FaceFitSettings(drawn=4, steps=30, batch=2, seed=1)


@pytest.fixture(scope="module")
def face_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("face") / "reader.safetensors"
    FaceLoss(path, FACES)
    return path


def face(opening, blink, frames=3):
    """Pixels (1, 3, f, SIDE, SIDE), boxes of the mouth and of the eyes of one face in all frames."""
    presenter, motion = sample_presenter(3), sample_motion(3, frames)
    motion = dataclasses.replace(motion, blink=torch.full((frames,), blink))
    mouth = torch.tensor([opening, 0.0, 0.0]).expand(frames, 3)
    pixels = render(presenter, motion, mouth, SIDE).permute(3, 0, 1, 2)[None] * 2 - 1
    return pixels, mouth_box(presenter, motion, SIDE)[None], eye_boxes(presenter, motion, SIDE)[None]


def test_of_faces_it_is_the_difference_of_what_their_reader_reads(face_weights):
    output, (pixels, boxes, eyes) = face(0.9, 1.0)[0], face(0.0, 0.0)
    reader, total = load_face_reader(face_weights), torch.zeros(5)
    for index in range(3):
        three = [*eyes[0, index].tolist(), boxes[0, index].tolist()]
        places = torch.tensor([[[(x0 + x1) / SIDE - 1, (y0 + y1) / SIDE - 1] for x0, y0, x1, y1 in three]])
        for blur in (0.0, 0.8):
            read = []
            for frames in (output, pixels):
                picture = (frames[:, :, index] + 1) / 2
                read.append(reader.read(gaussian_blur(picture, blur) if blur else picture, places)[0])
            total += (read[0] - read[1]).square() / 6
    for lids in (0.0, 2.0):
        loss = FaceLoss(face_weights, FACES, lids)(output, pixels, boxes, eyes)
        assert loss.item() == pytest.approx((total[:3].sum() + lids * total[3:].sum()).item(), rel=1e-3)
    assert total[3:].min() > 0


def test_of_faces_only_mouth_and_eyes_count(face_weights):
    loss, (pixels, boxes, eyes) = FaceLoss(face_weights, FACES), face(0.5, 0.0)
    assert loss(pixels, pixels, boxes, eyes).item() == 0
    for part, counts in (((slice(0, 8), slice(0, 8)), False), (box_of(eyes[0, 0, 1]), True)):
        changed = pixels.clone()
        changed[(..., *part)] -= 0.5
        assert (loss(changed, pixels, boxes, eyes).item() > 1e-5) == counts


def test_following_its_gradient_brings_lids_together(face_weights):
    loss, start, (pixels, boxes, eyes) = FaceLoss(face_weights, FACES), face(0.0, 1.0)[0], face(0.0, 0.0)
    output = start.clone().requires_grad_()
    first = loss(output, pixels, boxes, eyes)
    (gradient,) = torch.autograd.grad(first, output)
    step = 0.1 * first.item() / gradient.square().sum().item()
    assert loss(start - step * gradient, pixels, boxes, eyes).item() < first.item()


def test_videos_that_do_not_tell_of_eyes_are_refused(face_weights):
    pixels, boxes, eyes = face(0.0, 0.0)
    with pytest.raises(InputError, match="eyes"):
        FaceLoss(face_weights, FACES)(pixels, pixels, boxes, torch.zeros_like(eyes))


def box_of(box):
    x0, y0, x1, y1 = (round(edge) for edge in box.tolist())
    return slice(y0, y1), slice(x0, x1)
