"""A gallery holds other faces in a video's own scene, and only the head is looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import render
from read_core.corpus.motion import neutral_motion
from read_core.errors import InputError
from read_core.evaluation.material import conditions
from read_core.evaluation.material.gallery import FIRST_SEED, draw_gallery, face_colors, head_box, others
from read_core.evaluation.tables import identity as identity_tables

SCENE = ("background", "clothes", "collar", "shoulder", "light", "head_")


def measures(presenter):
    return presenter.face_width, presenter.chin, presenter.nose_width, presenter.mouth_width, presenter.skin


def portrait(presenter, size=64):
    return render(presenter, neutral_motion(1), torch.zeros(1, 3), size)


@pytest.mark.corpus
def test_no_face_of_a_gallery_is_in_a_video(sample):
    """Faces are told apart by their measures, which no two draws share."""
    strangers = {measures(face) for face in others(sample.presenter, 200)}
    assert len(strangers) == 200
    assert measures(sample.presenter) == measures(sample_presenter(0, "test"))
    videos = {measures(sample_presenter(seed, "test")) for seed in range(FIRST_SEED)}
    assert not strangers & videos
    assert max(identity_tables._LONG_SEED, conditions._SEED) + 100 < FIRST_SEED


def test_a_gallery_keeps_the_scene_and_changes_the_face():
    own = sample_presenter(3, "test")
    for face in others(own, 5):
        differing = {name for name, value in vars(face).items() if value != getattr(own, name)}
        assert {"skin", "hair", "face_width", "chin", "nose_width", "mouth_width"} <= differing
        assert not [name for name in differing if name.startswith(SCENE)]


def test_only_the_head_is_looked_at(talking):
    sample = talking(2)
    gallery = draw_gallery(sample, 3)
    left, top, right, bottom = gallery.box
    assert gallery.faces.shape == (3, 3, 32, 32)
    elsewhere = sample.frames.clone()
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    elsewhere[:, ~inside] = 0
    assert torch.equal(face_colors(elsewhere, gallery.box), face_colors(sample.frames, gallery.box))
    assert 0.3 < inside.float().mean() < 0.8


@pytest.mark.parametrize(("size", "zoom", "shift"), [(64, 1.0, 0.0), ((64, 96), 0.7, 0.2), (96, 0.8, -0.1)])
def test_the_box_holds_the_head_wherever_it_is(size, zoom, shift):
    usual = replace(sample_presenter(4, "test"), glasses="none")
    own = replace(usual, head_scale=zoom * usual.head_scale, head_x=usual.head_x + shift)
    height, width = (size, size) if isinstance(size, int) else size
    left, top, right, bottom = head_box(own, height, width)
    skins = [replace(own, skin=skin) for skin in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9))]
    differs = (portrait(skins[0], size) - portrait(skins[1], size))[0].abs().sum(dim=-1) > 0.1
    rows, columns = differs.any(dim=1).nonzero()[:, 0], differs.any(dim=0).nonzero()[:, 0]
    assert left <= columns.min() + 1
    assert columns.max() - 1 < right
    assert top <= rows.min() + 1
    face = differs[top:bottom, left:right]
    assert face.sum() > 0.9 * differs.sum()  # the neck is skin too
    assert face.float().mean() > 0.35


def test_a_gallery_without_faces_is_refused(talking):
    with pytest.raises(InputError, match="gallery of 0 faces; expected 1 or more"):
        draw_gallery(talking(0), 0)
