"""The table of ``read-core batch``."""

from __future__ import annotations

import pytest

from read_core.batch.table import read_table
from read_core.errors import InputError, MediaError

from .jobs import write_table


def test_a_table_names_files_next_to_it_and_what_differs_from_the_checkpoint(folder, defaults):
    table = write_table(folder, "face.png,talk.wav,a.mp4,7,joint,1.5", "", "face.png, talk.wav ,b/c.mp4,,,")
    first, second = read_table(table, defaults)
    assert (first.job.portrait, first.job.out) == (folder / "face.png", folder / "a.mp4")
    assert first.job.settings.seed == 7
    assert first.job.settings.guidance is not None
    assert first.job.settings.guidance.to_dict() == {"kind": "joint", "alpha": 1.5}
    assert second.job.speech == folder / "talk.wav"
    assert second.job.settings.guidance == defaults.guidance
    assert (second.line, second.job.settings.seed) == (4, 0)


@pytest.mark.parametrize(
    ("line", "columns", "message"),
    [
        ("face.png,talk.wav", "portrait,speech", "lacks the column out"),
        ("face.png,talk.wav,a.mp4,1", "portrait,speech,out,speed", "unknown column 'speed'"),
        (",talk.wav,a.mp4", "portrait,speech,out", "line 2: portrait is empty"),
        ("face.png,talk.wav,a.mp4,x", "portrait,speech,out,seed", "line 2: seed is 'x'; expected a whole"),
        ("face.png,talk.wav,a.mp4,0", "portrait,speech,out,steps", "line 2: steps is 0"),
        ("face.png,talk.wav,a.mp4,maybe", "portrait,speech,out,detail", "expected yes or no"),
        ("", "portrait,speech,out", "has no jobs"),
    ],
)
def test_a_wrong_table_is_refused_before_any_work(folder, defaults, line, columns, message):
    with pytest.raises(InputError, match=message):
        read_table(write_table(folder, line, columns=columns), defaults)


def test_two_lines_may_not_write_one_file(folder, defaults):
    line = "face.png,talk.wav,{},,,"
    with pytest.raises(InputError, match="lines 2 and 3 both write"):
        read_table(write_table(folder, line.format("a.mp4"), line.format("./a.mp4")), defaults)
    with pytest.raises(MediaError, match="no such file"):
        read_table(folder / "nothing.csv", defaults)
    (folder / "jobs.csv").write_bytes("portrait,speech,out\nMüller.png,talk.wav,a.mp4\n".encode("cp1252"))
    with pytest.raises(InputError, match="not in UTF-8; save it as CSV UTF-8"):
        read_table(folder / "jobs.csv", defaults)
