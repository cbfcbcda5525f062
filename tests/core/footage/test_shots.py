"""Shot changes in small pictures."""

import numpy as np

from read_core.footage.shots import ShotChanges


def pictures(seed, count, motion):
    """One shot: noise that fades into other noise by ``motion`` per picture."""
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, 27, 48, 3), np.float32)
    return [first + (second - first) * motion * i for i in range(count)]


def changes(shots):
    tell = ShotChanges()
    return [i for i, picture in enumerate([p for shot in shots for p in shot]) if tell(picture)]


def test_a_shot_begins_with_the_first_picture_and_where_another_scene_does():
    shots = [pictures(seed, 20, 0.005) for seed in range(3)]
    assert changes(shots) == [0, 20, 40]


def test_fast_motion_alone_is_none():
    assert changes([pictures(0, 20, 0.05)]) == [0]


def test_two_changes_in_a_row_are_two():
    assert changes([pictures(0, 10, 0.005), pictures(1, 1, 0), pictures(2, 10, 0.005)]) == [0, 10, 11]
