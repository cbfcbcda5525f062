"""From decoded frames to the result: sizes, places and parts, with real frames of a tiny checkpoint."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from read_core.detail import DetailRestorer
from read_core.errors import InputError, ReadWarning
from read_core.eyelids.blinker import Blinker
from read_core.eyelids.network import EyelidNetwork
from read_core.eyelids.times import BlinkTimes
from read_core.face.alignment import FaceLayout, cut_face
from read_core.face.paste import paste_back
from read_core.finish import Finish, Finishing
from read_core.pictures import as_bytes
from read_core.pipeline import ReadPipeline
from read_core.records import FaceChoice

from .face.test_alignment import painted

POINTS = torch.tensor([[150.0, 130.0], [206.0, 130.0], [178.0, 190.0]])
SIZE = (64, 64)


def find(image):
    return SimpleNamespace(points=POINTS[None])


@pytest.fixture(scope="module")
def components(tiny_components):
    return replace(tiny_components, card=replace(tiny_components.card, face=FaceLayout()))


@pytest.fixture(scope="module")
def pipe(components):
    return ReadPipeline(components)


@pytest.fixture(scope="module")
def original():
    return painted(301, 400)


@pytest.fixture(scope="module")
def reference(pipe, original):
    return pipe.encode_reference(original, SIZE, find=find)


class Adding(DetailRestorer):
    """Stands for the restorer: what it is given decides, frame by frame, and can be worked out by hand."""

    def of(self, portrait, decoded, points=None):
        assert points is None or points.shape == (3, 2)

        def restore(frames):
            assert frames.shape[1:] == decoded.shape
            level = (frames - decoded).mean(dim=(1, 2, 3), keepdim=True)
            return (portrait + level).clamp(0, 1)

        return restore


def result(finish, frames):
    return torch.cat(list(finish(frames)))


def frames_of(count, size=SIZE):
    return torch.rand(count, *size, 3, generator=torch.Generator().manual_seed(0))


# The reference


def test_the_checkpoint_s_own_fit_is_face_where_its_card_has_a_layout(pipe, tiny_components, original):
    assert pipe.encode_reference(original, find=find).face is not None
    plain = ReadPipeline(tiny_components)
    assert plain.encode_reference(original, find=find).face is None
    assert plain.encode_reference(original, fit="face", find=find).face is not None


def test_the_reference_keeps_what_leads_back(pipe, original, reference):
    assert reference.original == (301, 400)
    assert torch.equal(reference.image, cut_face(original, reference.face, SIZE))
    assert torch.equal(reference.latent, pipe.vae.encode(reference.image[None, None]))
    assert torch.equal(reference.decoded, pipe.vae.decode(reference.latent)[0, 0])
    torch.testing.assert_close(reference.points, FaceLayout().points(SIZE), atol=0.02, rtol=0)
    side = round(reference.face.width) // 2 * 2
    assert reference.portrait.shape == (side, side, 3)
    assert torch.equal(reference.portrait, cut_face(original, reference.face, (side, side)))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_other_fits_keep_it_too_and_warn_where_the_checkpoint_wants_faces(pipe, original, fit):
    with pytest.warns(ReadWarning, match=f"fit is {fit}, but tiny was trained on aligned faces"):
        reference = pipe.encode_reference(original, (64, 96), fit)
    assert reference.face is None
    assert reference.box[2] - reference.box[0] == reference.crop.width
    height, width = reference.portrait.shape[:2]
    assert width / height == pytest.approx(1.5, abs=0.01)
    small = torch.nn.functional.interpolate(
        reference.portrait.permute(2, 0, 1)[None], (64, 96), mode="bicubic", antialias=True
    )
    torch.testing.assert_close(small[0].permute(1, 2, 0), reference.image, atol=0.03, rtol=0)


def test_another_size_than_that_of_aligned_faces_is_a_warning(pipe, original):
    with pytest.warns(
        ReadWarning, match="works at 128 x 64, but tiny was trained at 96 x 64: .* size of the result"
    ):
        pipe.encode_reference(original, (64, 128), find=find)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        pipe.encode_reference(original, (64, 96), find=find)


def test_a_card_without_a_layout_warns_of_nothing(tiny_components, original):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        for fit in ("crop", "pad", "stretch"):
            ReadPipeline(tiny_components).encode_reference(original, SIZE, fit)


def test_transparency_becomes_gray_before_the_face_is_cut(pipe, original):
    clear = torch.cat([original, torch.zeros(301, 400, 1)], dim=2)
    reference = pipe.encode_reference(clear, SIZE, find=find)
    torch.testing.assert_close(reference.portrait, torch.full_like(reference.portrait, 0.5))


# What is chosen


@pytest.mark.parametrize(
    ("fit", "aligned", "detail", "pasted"),
    [("face", True, True, True), ("face", False, False, True), ("crop", True, False, False)],
)
def test_what_is_left_open_follows_fit_and_checkpoint(fit, aligned, detail, pasted):
    open_choice = Finishing(size=256).resolved(fit, aligned)
    assert open_choice == Finishing(detail, pasted, 256)
    asked = Finishing(not detail, not pasted)
    assert asked.resolved(fit, aligned) == asked


@pytest.mark.parametrize("size", [0, 63, 4097, 100.5])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(InputError, match="output size is"):
        Finishing(size=size)


# The result


def test_with_nothing_to_do_frames_pass_as_they_are(reference, original):
    finish = Finish(Finishing(False, False), reference, original, None)
    frames = frames_of(5)
    (same,) = finish(frames)
    assert same is frames
    assert finish.size == SIZE


def test_a_size_alone_enlarges(reference, original):
    finish = Finish(Finishing(False, False, 99), reference, original, None)
    frames = result(finish, torch.full((3, *SIZE, 3), 0.25))
    assert finish.size == (98, 98)  # even, and no longer
    torch.testing.assert_close(frames, torch.full((3, 98, 98, 3), 0.25))


@pytest.mark.parametrize(("size", "expected"), [(None, None), (128, 128), (512, 512), (64, 64)])
def test_detail_comes_at_the_portrait_s_own_size_or_at_the_one_asked_for(reference, original, size, expected):
    finish = Finish(Finishing(True, False, size), reference, original, Adding())
    side = reference.portrait.shape[0] if expected is None else expected
    assert finish.size == (side, side)
    frames = reference.decoded + torch.tensor([0.0, 0.02, -0.05])[:, None, None, None]
    found = result(finish, frames)
    assert found.shape == (3, side, side, 3)
    rises = (found - found[:1]).mean(dim=(1, 2, 3))
    torch.testing.assert_close(rises, torch.tensor([0.0, 0.02, -0.05]), atol=2e-3, rtol=0)
    if expected is None:
        torch.testing.assert_close(found[0], reference.portrait)


def test_pasted_back_it_is_the_picture_with_the_frames_in_it(reference, original):
    frames = frames_of(4)
    finish = Finish(Finishing(False, True), reference, original, None)
    expected, _ = paste_back(frames, original, reference.face)
    assert finish.size == (300, 400)
    assert torch.equal(result(finish, frames), expected)


def test_detail_and_paste_back_together_give_the_picture_back(reference, original):
    """A still video: the portrait's own pixels, which are the picture's."""
    finish = Finish(Finishing(True, True), reference, original, Adding())
    (picture,) = result(finish, reference.decoded[None])
    torch.testing.assert_close(picture, original[:300], atol=0.02, rtol=0)


def test_a_smaller_result_wants_less_detail(reference, original):
    sizes = []

    class Noting(Adding):
        def of(self, portrait, decoded, points=None):
            sizes.append(portrait.shape[0])
            return super().of(portrait, decoded, points)

    finish = Finish(Finishing(True, True, 200), reference, original, Noting())
    assert finish.size == (150, 200)
    assert result(finish, frames_of(2)).shape == (2, 150, 200, 3)
    assert sizes == [round(reference.face.width / 2) // 2 * 2]


def test_parts_and_chunks_give_the_same_frames(reference):
    """Few at a time, whatever the parts are."""
    original = painted(301, 400)
    for finishing in (Finishing(True, False, 1024), Finishing(True, True), Finishing(False, False, 512)):
        finish = Finish(finishing, reference, original, Adding())
        frames = frames_of(9)
        whole = result(finish, frames)
        assert torch.equal(torch.cat([result(finish, frames[:4]), result(finish, frames[4:])]), whole)
    large = Finish(Finishing(True, False, 1024), reference, original, Adding())
    assert max(len(part) for part in large(frames_of(9))) == 4


def test_a_crop_goes_back_too(tiny_components, original):
    reference = ReadPipeline(tiny_components).encode_reference(original, SIZE, "crop")
    finish = Finish(Finishing(False, True), reference, original, None)
    (picture,) = result(finish, torch.ones(1, *SIZE, 3))
    assert picture.shape == (300, 400, 3)
    torch.testing.assert_close(picture[150, 200], torch.ones(3))
    assert torch.equal(picture[:, :49], original[:300, :49])


def test_another_picture_than_the_reference_s_is_refused(reference):
    with pytest.raises(InputError, match=r"picture is 200 x 100 pixels, .* one of 400 x 301"):
        Finish(Finishing(False, True), reference, torch.rand(100, 200, 3), None)


def test_frames_of_another_size_are_refused(reference, original):
    finish = Finish(Finishing(False, True), reference, original, None)
    with pytest.raises(InputError, match=r"frames are \(2, 32, 64, 3\)"):
        list(finish(torch.rand(2, 32, 64, 3)))


def test_a_reference_without_its_portrait_is_refused(reference, original):
    with pytest.raises(InputError, match="no portrait"):
        Finish(Finishing(True, False), replace(reference, portrait=None), original, Adding())


def test_the_pipeline_fills_in_what_is_left_open(pipe, reference, original):
    pasted = pipe.finish(reference, original, Finishing(detail=False))
    assert pasted.size == (300, 400)
    plain = pipe.finish(reference, original, Finishing(), fit="crop")
    assert plain.size == SIZE
    with pytest.raises(InputError, match="y up to"):
        pipe.encode_reference(original, SIZE, face=FaceChoice(0, 0.5, 0.9, 0.3))


@pytest.fixture(scope="module")
def eyelids():
    """An eyelid network that changes pixels visibly."""
    torch.manual_seed(5)
    network = EyelidNetwork((8, 8, 8)).eval().requires_grad_(False)
    torch.nn.init.normal_(network.leave.weight, std=0.3)
    return network


def test_blinks_come_at_their_times_however_the_frames_are_divided(reference, eyelids):
    frames = reference.image.repeat(120, 1, 1, 1)
    blinker = Blinker(eyelids, reference.points)
    closing = BlinkTimes(3).closure(0, 120) > 0
    assert 3 < int(closing.sum()) < 60
    whole = result(Finish(Finishing(False, False, seed=3), reference, blinker=blinker), frames)
    changed = (whole - frames).abs().amax((1, 2, 3)) > 0
    assert torch.equal(changed, closing)
    finish = Finish(Finishing(False, False, seed=3), reference, blinker=blinker)
    pieces = [result(finish, piece) for piece in frames.split((1, 40, 16, 63))]
    assert torch.equal(torch.cat(pieces), whole)


def test_blinks_follow_the_checkpoint_and_the_portrait(components, reference, eyelids):
    blinking = ReadPipeline(replace(components, eyelids=eyelids))
    frames = reference.image.repeat(120, 1, 1, 1)
    choice = Finishing(detail=False, paste_back=False, seed=3)
    made = result(blinking.finish(reference, None, choice), frames)
    assert not torch.equal(made, frames)
    off = result(blinking.finish(reference, None, replace(choice, blinks=False)), frames)
    assert torch.equal(off, frames)
    unknown = replace(reference, points=None)
    assert torch.equal(result(blinking.finish(unknown, None, choice), frames), frames)
    with pytest.raises(InputError, match="places of the eyes are not known"):
        blinking.finish(unknown, None, replace(choice, blinks=True))
    with pytest.raises(InputError, match="no eyelid network"):
        ReadPipeline(components).finish(reference, None, replace(choice, blinks=True))


def test_the_head_moves_the_same_however_the_frames_are_divided(reference):
    frames = reference.image.repeat(60, 1, 1, 1)
    choice = Finishing(False, False, seed=3, head_motion=True)
    whole = result(Finish(choice, reference), frames)
    assert torch.equal(whole[0], frames[0])
    assert (whole[5:] - frames[5:]).abs().amax((1, 2, 3)).min() > 0
    finish = Finish(choice, reference)
    pieces = [result(finish, piece) for piece in frames.split((1, 20, 16, 23))]
    assert torch.equal(torch.cat(pieces), whole)
    assert not torch.equal(result(Finish(replace(choice, seed=4), reference), frames), whole)


def test_head_motion_follows_the_checkpoint_and_the_portrait(components, reference):
    still = ReadPipeline(replace(components, card=replace(components.card, still_head=True)))
    frames = reference.decoded.repeat(60, 1, 1, 1)
    choice = Finishing(detail=False, paste_back=False, seed=3)
    moved = result(Finish(replace(choice, head_motion=True), reference), frames)
    assert torch.equal(result(still.finish(reference, None, choice), frames), moved)
    off = replace(choice, head_motion=False)
    assert torch.equal(result(still.finish(reference, None, off), frames), frames)
    lively = ReadPipeline(components)
    assert torch.equal(result(lively.finish(reference, None, choice), frames), frames)
    wanted = replace(choice, head_motion=True)
    assert torch.equal(result(lively.finish(reference, None, wanted), frames), moved)
    unknown = replace(reference, points=None)
    assert torch.equal(result(still.finish(unknown, None, choice), frames), frames)
    with pytest.raises(InputError, match="head cannot be moved"):
        still.finish(unknown, None, wanted)


def test_a_moved_head_is_pasted_back_without_a_seam(reference, original):
    frames = reference.image.repeat(60, 1, 1, 1)
    choice = Finishing(False, True, seed=3, head_motion=True)
    finish = Finish(choice, reference, original)
    still = Finish(replace(choice, head_motion=False), reference, original)
    moved, kept = result(finish, frames), result(still, frames)
    changed = (moved - kept).abs().amax(-1)
    assert changed[20:].amax((1, 2)).min() > 0
    outside = torch.ones(changed.shape[1:], dtype=torch.bool)
    outside[changed.amax(0) > 0.02] = False
    assert all(edge.all() for edge in (outside[0], outside[-1], outside[:, 0], outside[:, -1]))
    assert still.memory < finish.memory


def test_faces_come_with_the_pictures_that_they_are_pasted_into(reference, original):
    frames = torch.rand(3, *SIZE, 3)
    finish = Finish(Finishing(True, True), reference, original, Adding())
    faces, pictures = (torch.cat(parts) for parts in zip(*finish.with_faces(frames), strict=True))
    alone = Finish(Finishing(True, False, max(faces.shape[1:3])), reference, original, Adding())
    assert torch.equal(faces, result(alone, frames))
    floats = result(Finish(Finishing(True, True), reference, original, Adding()), frames)
    assert torch.equal(pictures, as_bytes(floats))
    assert pictures.shape[1:3] == (300, 400)


@pytest.mark.parametrize("paste", [False, True])
def test_what_is_no_number_does_not_become_a_pixel(reference, original, paste):
    frames = torch.full((1, *SIZE, 3), float("nan"))
    finish = Finish(Finishing(False, paste), reference, original)
    with pytest.raises(InputError, match="NaN"):
        list(finish.with_faces(frames))
