"""Appearance: reproducible, split-wise disjoint, varied, and with lips that can be read on every skin."""

from __future__ import annotations

import dataclasses

import pytest

from read_core.corpus.drawing.presenter import BEARDS, HAIR_STYLES, contrast, luminance, sample_presenter
from read_core.errors import InputError

FACES = [sample_presenter(seed) for seed in range(600)]


def test_same_seed_and_split_give_the_same_face():
    assert sample_presenter(7, "validation") == sample_presenter(7, "validation")


def test_seeds_and_splits_never_share_a_face():
    faces = {
        sample_presenter(seed, split) for seed in range(200) for split in ("train", "validation", "test")
    }
    assert len(faces) == 600
    numbers: dict[tuple[object, ...], list[str]] = {}
    for split in ("train", "validation", "test"):
        for seed in range(200):
            face = sample_presenter(seed, split)
            numbers.setdefault((face.face_width, face.skin_tone, face.mouth_width), []).append(split)
    assert all(len(owners) == 1 for owners in numbers.values())


def test_unknown_split_is_refused_by_name():
    with pytest.raises(InputError, match=r"'dev'.*train, validation, test"):
        sample_presenter(0, "dev")


def test_faces_vary():
    assert {face.hair.style for face in FACES} == set(HAIR_STYLES)
    assert {face.beard for face in FACES} == set(BEARDS)
    lumas = [luminance(face.skin) for face in FACES]
    assert min(lumas) < 0.25
    assert max(lumas) > 0.82
    assert 0.15 < sum(face.glasses != "none" for face in FACES) / len(FACES) < 0.45


def test_lips_stand_out_from_skin_and_from_the_inside_of_the_mouth():
    for face in FACES:
        assert contrast(face.lip_color, face.skin) >= 0.2
        assert luminance(face.lip_color) > luminance(face.inside_color) + 0.15
        assert luminance(face.skin) > luminance(face.inside_color) + 0.08


def test_colors_are_in_range():
    for face in FACES:
        for field in dataclasses.fields(face):
            value = getattr(face, field.name)
            if field.name.endswith("color") or field.name in ("skin", "clothes", "clothes_accent"):
                assert len(value) == 3
                assert all(0.0 <= channel <= 1.0 for channel in value)
