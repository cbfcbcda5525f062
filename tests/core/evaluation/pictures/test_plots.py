"""The plot of quality against seconds."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from read_core.evaluation.metrics.intervals import Estimate
from read_core.evaluation.pictures.plots import TradeOff, plot_trade_off
from read_core.evaluation.tables.paper import PaperFigures

pytest.importorskip("matplotlib")


def cell(guidance, steps, **values):
    figures = {each.name: float("nan") for each in fields(PaperFigures)} | values
    return TradeOff(guidance, steps, PaperFigures(**figures))


def test_only_what_was_measured_has_a_panel(tmp_path):
    cells = [
        cell(
            name,
            steps,
            network=0.1 * steps * more,
            total=0.2 * steps * more,
            fid=20 - steps,
            opening=Estimate(0.5),
        )
        for name, more in (("joint (2)", 2), ("split (2, 6)", 3))
        for steps in (4, 8)
    ]
    assert plot_trade_off(cells, tmp_path / "both.png") == ["FID", "open r"]
    assert plot_trade_off(cells[:2], tmp_path / "one.png") == ["FID", "open r"]
    both, one = (
        set(map(tuple, np.asarray(Image.open(tmp_path / name).convert("RGB")).reshape(-1, 3).tolist()))
        for name in ("both.png", "one.png")
    )
    blue, orange = (31, 119, 180), (255, 127, 14)  # the lines of the first and the second guidance
    assert {blue, orange} <= both
    assert blue in one
    assert orange not in one
    assert plot_trade_off([cell("joint (2)", 4, network=0.1, total=0.2)], tmp_path / "none.png") == []


def test_all_distances_of_sets_are_drawn_with_their_direction(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    names = ("fid", "fvd", "efid", "distance", "own", "confidence", "opening")
    values = {name: float(index) for index, name in enumerate(names, start=1)}
    cells = [cell("joint (2)", steps, network=0.1 * steps, total=1.0, **values) for steps in (4, 8)]
    titles = ["FID", "FVD", "E-FID", "Sync-D", "own distance", "Sync-C", "open r"]
    assert plot_trade_off(cells, tmp_path / "all.png") == titles
    panels = {axes.get_title(): axes for axes in figures[0].axes}
    for title, value in zip(titles, values.values(), strict=True):
        better = "more" if title in ("Sync-C", "open r") else "less"
        line = panels[f"{title} ({better} is better)"].lines[0]
        assert np.asarray(line.get_xydata()).tolist() == [[pytest.approx(x), value] for x in (0.4, 0.8)]
