"""Results of talks stay on disk until the report is written, and several processes measure the same."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from read_core.checkpoint import save_checkpoint
from read_core.evaluation.material.talks import TalkSource
from read_core.evaluation.material.videos import VideoGenerator
from read_core.evaluation.suites.talk_results import KeptTalks, TalkMeasurer, Workers, measure_talks
from read_core.face.alignment import FaceLayout
from read_core.pipeline import ReadPipeline

SOURCE = TalkSource("test", 25, (64, 64), FaceLayout(), ("babble",), 64)


@pytest.fixture
def orders(faces):
    return [*SOURCE.photographs(faces), *SOURCE.presenters(2)]


@pytest.fixture
def measurer(orders):
    return TalkMeasurer(SOURCE, (0, 1), 9, (orders[0].name,))


def kept_in(folder, measurer, pipe):
    return KeptTalks(folder, measurer.key(pipe))


def measured(pipe, measurer, orders, kept, workers=None):
    return [(repr(result), rows) for result, rows in measure_talks(pipe, measurer, orders, kept, workers)]


def numbers(value):
    """All numbers of a result, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in numbers(part)]
    return [] if isinstance(value, str) else [value]


def test_a_stopped_evaluation_continues_with_the_results_on_disk(
    aligned_pipe, measurer, orders, tmp_path, monkeypatch
):
    kept = kept_in(tmp_path / "talks", measurer, aligned_pipe)
    whole = measured(aligned_pipe, measurer, orders, kept)
    assert [rows is not None for _, rows in whole] == [True, False, False]
    (tmp_path / "talks" / f"{orders[1].name}.safetensors").unlink()
    drawn, draw = [], TalkSource.draw

    def noted(source, order):
        drawn.append(order.name)
        return draw(source, order)

    monkeypatch.setattr(TalkSource, "draw", noted)
    again = measured(aligned_pipe, measurer, orders, kept)
    assert drawn == [orders[1].name]
    assert [result for result, _ in again] == [result for result, _ in whole]
    assert again[0][1].pictures.equal(whole[0][1].pictures)
    kept.remove()
    assert not (tmp_path / "talks").exists()


def test_more_seeds_go_on_from_the_results_of_fewer(aligned_pipe, measurer, orders, tmp_path, monkeypatch):
    whole = measured(aligned_pipe, measurer, orders[:2], kept_in(tmp_path / "whole", measurer, aligned_pipe))
    fewer = replace(measurer, seeds=measurer.seeds[:1])
    kept = kept_in(tmp_path / "talks", fewer, aligned_pipe)
    first = measured(aligned_pipe, fewer, orders[:2], kept)
    generated, finish = [], VideoGenerator.finished

    def noted(generator, talk, settings):
        generated.append(settings.seed)
        return finish(generator, talk, settings)

    monkeypatch.setattr(VideoGenerator, "finished", noted)
    kept = kept_in(tmp_path / "talks", measurer, aligned_pipe)
    assert [result for result, _ in measured(aligned_pipe, measurer, orders[:2], kept)] == [
        result for result, _ in whole
    ]
    assert generated == [1, 1]
    assert [result for result, _ in measured(aligned_pipe, fewer, orders[:2], kept)] == [
        result for result, _ in first
    ]
    assert generated == [1, 1]


def test_results_of_other_settings_or_weights_are_not_taken(aligned_pipe, pipe, measurer, orders, tmp_path):
    kept = kept_in(tmp_path, measurer, aligned_pipe)
    measured(aligned_pipe, measurer, orders[:1], kept)
    assert kept.load(orders[0].name) is not None
    other = TalkMeasurer(SOURCE, (2,), 9)
    assert kept_in(tmp_path, other, aligned_pipe).load(orders[0].name) is None
    assert kept_in(tmp_path, measurer, pipe).load(orders[0].name) is None


def test_two_processes_measure_what_one_measures(aligned_components, measurer, orders, tmp_path):
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, aligned_components)
    pipe = ReadPipeline.from_pretrained(folder, "cpu")
    alone, both = (
        [result for result, _ in measure_talks(pipe, measurer, orders, kept_in(out, measurer, pipe), workers)]
        for out, workers in ((tmp_path / "1", None), (tmp_path / "2", Workers(2, folder)))
    )
    for one, other in zip(both, alone, strict=True):  # threads may round otherwise
        assert one.name == other.name
        assert numbers(asdict(one)) == pytest.approx(numbers(asdict(other)), rel=1e-3, abs=1e-4, nan_ok=True)
