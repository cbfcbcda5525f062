"""The tables of seams: which videos they count, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.evaluation.material.gallery import draw_gallery
from read_core.evaluation.material.sample_set import SampleSet
from read_core.evaluation.material.samples import draw_sample
from read_core.evaluation.material.videos import Video, VideoGenerator
from read_core.evaluation.tables.report import Report
from read_core.evaluation.tables.seams import ANS, CODED, DRAWN, INDEPENDENT, add_seams
from read_core.records import SamplingSettings


class Planted(VideoGenerator):
    """Gives the drawn videos, brighter by a step where clips meet; independent clips by one that varies."""

    def asynchronous(self, sample, settings=None):
        return self._jumping(sample, 0.02)

    def independent(self, sample, settings=None):
        return self._jumping(sample, 0.05 if sample.name.endswith("0") else 0.15)

    def reconstructed(self, frames):
        flicker = 0.01 * (torch.arange(len(frames)) % 2)[:, None, None, None]
        return frames + flicker

    def _jumping(self, sample, step):
        frames = 0.7 * sample.frames
        frames[25:] += step
        return Video(frames, sample.mouth, 0.0)


@pytest.fixture(scope="module")
def two():
    pytest.importorskip("espeakng_loader")
    return [draw_sample(seed, "test", 41, (64, 96)) for seed in (0, 1)]


@pytest.fixture(scope="module")
def galleries(two):
    return [draw_gallery(sample, 4) for sample in two]


def tables(report):
    """Rows by title and first cell."""
    return {table.title: {row[0]: row for row in table.rows} for table in report.tables}


@pytest.mark.corpus
def test_a_video_without_a_still_pixel_is_left_out_of_the_still_background(pipe, sample, galleries):
    restless = replace(sample, pixels=torch.randint(256, sample.pixels.shape, dtype=torch.uint8))
    report = Report("", {})
    add_seams(report, SampleSet(VideoGenerator(pipe), [restless], SamplingSettings()), galleries[:1])
    everywhere, still = report.tables[:2]
    assert {row[1] for row in everywhere.rows} == {1}
    assert {row[1] for row in still.rows} == {0}


@pytest.mark.corpus
def test_ratios_are_those_of_the_rows_above(pipe, two, galleries):
    report = Report("", {})
    add_seams(report, SampleSet(Planted(pipe), two, SamplingSettings()), galleries)
    found = tables(report)
    for where, title in (("everywhere", "Seams"), ("still background", "Seams in the still background")):
        rows = found[title]
        for row in rows.values():
            _, count, clips, latents, inside, over_latents, _, over_inside, _, latents_over, *_ = row
            assert count == 2
            if inside:  # the drawn background does not change at all
                assert over_latents == pytest.approx(clips / latents)
                assert over_inside == pytest.approx(clips / inside)
                assert latents_over == pytest.approx(latents / inside)
        ratios = next(row for row in report.tables[2].rows if row[1] == where)
        _, _, _, jump, _, seam, seam_interval = ratios
        assert jump == pytest.approx(rows[ANS][2] / rows[INDEPENDENT][2])
        if where == "everywhere":
            assert seam == pytest.approx(rows[ANS][7] / rows[INDEPENDENT][7])
            low, high = map(float, str(seam_interval).split(" to "))
            assert low < float(seam) < high
            assert float(seam) < 0.9


@pytest.mark.corpus
def test_what_generation_adds_to_the_codecs_flicker_can_be_read(pipe, two, galleries):
    class Restless(Planted):
        def asynchronous(self, sample, settings=None):
            return Video(
                sample.frames + 3 * (self.reconstructed(sample.frames) - sample.frames), sample.mouth, 0
            )

    report = Report("", {})
    add_seams(report, SampleSet(Restless(pipe), two, SamplingSettings()), galleries)
    still = report.tables[1]
    assert still.columns[-2:] == ("inside / inside through the VAE", "95 %")
    rows = {row[0]: row for row in still.rows}
    assert rows[CODED][4] == pytest.approx(2.55, rel=1e-3)
    assert [rows[name][-2] for name in (DRAWN, CODED, ANS)] == pytest.approx([0, 1, 3], rel=1e-3)
    assert rows[ANS][-1] == "3.000 to 3.000"


@pytest.mark.corpus
def test_the_picture_is_of_every_boundary_of_every_video(pipe, two, galleries, tmp_path, monkeypatch):
    """Windows of 4 latents: clips meet after the frames 24 .. 25 of 41."""
    drawn = {}
    monkeypatch.setattr(
        "read_core.evaluation.tables.seams.save_heatmaps",
        lambda rows, path: drawn.update({name: torch.stack(list(maps)) for name, maps in rows}) or 1.0,
    )
    report = Report("", {})
    add_seams(report, SampleSet(Planted(pipe), two, SamplingSettings()), galleries, tmp_path / "seams.png")
    assert report.metadata == {"white in seams.png (1/255)": 1.0}
    assert list(drawn) == ["with ANS", "clips sampled\nindependently", "drawn,\nthrough the VAE", "drawn"]
    assert {len(maps) for maps in drawn.values()} == {2}
    with_ans, independent, _, true = (maps.mean((2, 3)) for maps in drawn.values())
    for index, step in enumerate((0.05, 0.15)):
        moves = 0.7 * true[index]
        assert with_ans[index, 2] == pytest.approx(0.02, abs=float(moves[2]))
        assert independent[index, 2] == pytest.approx(step, abs=float(moves[2]))
        torch.testing.assert_close(with_ans[index, [0, 1, 3, 4]], moves[[0, 1, 3, 4]])


@pytest.mark.corpus
def test_every_video_is_made_once(pipe, two, galleries):
    class Counting(Planted):
        made = 0

        def _jumping(self, sample, step):
            self.made += 1
            return super()._jumping(sample, step)

    generator = Counting(pipe)
    add_seams(Report("", {}), SampleSet(generator, two, SamplingSettings()), galleries)
    assert generator.made == 4
