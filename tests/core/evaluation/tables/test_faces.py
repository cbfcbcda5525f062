"""Tables of the face finder: what counts as found at a threshold."""

from __future__ import annotations

import pytest
import torch

from read_core.evaluation.tables.faces import add_finds, add_thresholds
from read_core.evaluation.tables.report import Report
from read_core.face.measure import Finds

EMPTY = torch.tensor([0.11, 0.7, 0.2, 0.3, 0.12])


@pytest.fixture
def finds():
    return Finds(
        sizes=torch.tensor([0.1, 0.1, 0.2, 0.5]),
        scores=torch.tensor([0.9, 0.3, 0.8, 0.0]),
        eyes=torch.tensor([0.01, 0.2, 0.03, torch.inf]),
        mouths=torch.tensor([0.02, 0.2, 0.04, torch.inf]),
        others=torch.tensor([0.0, 0.6, 0.0, 0.0]),
    )


def test_finds_count_at_the_threshold(finds):
    report = Report("", {})
    add_finds(report, finds, EMPTY, threshold=0.5)
    (table,) = report.tables
    assert [row[:3] for row in table.rows] == [
        ("0.08 to 0.16", 2, 50.0),
        ("0.16 to 0.32", 1, 100.0),
        ("0.08 to 0.80", 4, 50.0),
    ]
    assert table.rows[-1][3] == pytest.approx(2.0)
    assert table.rows[-1][5] == pytest.approx(3.0)
    assert "in 20.0 % of 5 pictures without" in table.note
    assert "in 25.0 % of those with one" in table.note


def test_a_higher_threshold_finds_less_of_both(finds):
    report = Report("", {})
    add_thresholds(report, finds, EMPTY)
    rows = {name: figures for name, *figures in report.tables[0].rows}
    assert rows["0.10"] == [75.0, 100.0]
    assert rows["0.25"] == pytest.approx([75.0, 40.0])
    assert rows["0.85"] == [25.0, 0.0]
