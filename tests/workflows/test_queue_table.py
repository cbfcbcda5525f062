"""scripts/queue_table.py: the lines of a table on several hosts, of which some fail."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from read_core.batch import results as batch_results
from read_core.batch.table import checksum

pytest.importorskip("aiohttp", reason="no aiohttp: pip install aiohttp")
queue_table = pytest.importorskip("queue_table")
from queue_results import Results  # noqa: E402

PROMPT: dict[str, dict[str, Any]] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png", "index": 1}},
    "2": {"class_type": "LoadAudio", "inputs": {"audio": "a.wav"}},
    "3": {
        "class_type": "READ_TalkingHeadToFile",
        "inputs": {
            "seed": 3, "image": ["1", 0], "steps": 0, "fit": "face", "blinks": "auto", "detail": "auto",
            "guidance": "checkpoint default", "face_x": 0.5, "live": True, "index": 0,
        },
    },
}  # fmt: skip


class StubHost:
    """Makes a file that says where and from what it was made; ``broken`` fails."""

    prompts: list[dict] = []  # noqa: RUF012 - of all hosts

    def __init__(self, address):
        self.address, self.quiet = address, False

    async def upload(self, path):
        return path.name

    async def run(self, prompt):
        await asyncio.sleep(0)
        if self.address == "slow":
            await asyncio.sleep(0.1)
            raise queue_table.HostError("READ_ANSSampler: out of memory")
        if self.address == "broken":
            raise queue_table.HostError("READ_ANSSampler: out of memory")
        self.prompts.append(prompt)
        inputs = [node["inputs"] for node in prompt.values()]
        return {"made": f"{self.address} {inputs[0]['image']} {inputs[1]['audio']} {inputs[2]['seed']}"}

    async def results(self, _, outputs):
        return [{"filename": "x.png", "text": ""}, {"filename": "x_00001_.mp4", "text": outputs["made"]}]

    async def fetch(self, item, folder):
        folder.mkdir(parents=True)
        (folder / item["filename"]).write_text(item["text"])
        return folder / item["filename"]


@pytest.fixture
def hosts(monkeypatch):
    @asynccontextmanager
    async def connected(address, headers=None):
        if address == "gone":
            raise queue_table.HostError("no ComfyUI answers at gone")
        yield StubHost(address)

    monkeypatch.setattr(StubHost, "prompts", [])
    monkeypatch.setattr(queue_table, "connected", connected)
    monkeypatch.setattr(queue_table, "PAUSE", 0.01)


@pytest.fixture
def table(tmp_path):
    for name in ("a.png", "b.png", "talk.wav"):
        (tmp_path / name).touch()
    path = tmp_path / "jobs.csv"
    path.write_text("portrait,speech,out,seed\na.png,talk.wav,a.mp4,\nb.png,talk.wav,b.mp4,7\n")
    return path


def run(table, hosts):
    """In a thread of its own: the browser of other tests leaves a loop running in this one."""
    rows, addresses = queue_table.read_table(table, PROMPT), hosts.split(",")
    results = Results(table.with_suffix(".results.csv"))
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(
            lambda: asyncio.run(queue_table.work_table(rows, addresses, PROMPT, results))
        ).result()


def results_of(table):
    """As read-core batch reads them: state, checksum, attempts and message of each video."""
    found = batch_results.Results(table.with_suffix(".results.csv")).found
    return {name: (each.state, each.sha256, each.attempts, each.message) for name, each in found.items()}


def test_hosts_share_the_lines_and_videos_get_their_names(table, hosts, capsys):
    assert run(table, "one,two") == 0
    made = {name: (table.parent / name).read_text().split() for name in ("a.mp4", "b.mp4")}
    assert [words[1:] for words in made.values()] == [["a.png", "talk.wav", "3"], ["b.png", "talk.wav", "7"]]
    assert {words[0] for words in made.values()} == {"one", "two"}
    assert sorted(path.name for path in table.parent.iterdir()) == [
        "a.mp4", "a.png", "b.mp4", "b.png", "jobs.csv", "jobs.results.csv", "talk.wav"
    ]  # fmt: skip
    assert results_of(table) == {name: ("done", checksum(table.parent / name), 1, "") for name in made}
    assert run(table, "broken") == 0
    assert "2 of them done before" in capsys.readouterr().err


def test_columns_set_the_widgets_of_their_names(table, hosts):
    """The words of ``read-core batch`` are those of the widgets: yes is on, and split is the checkpoint's."""
    table.write_text(
        "portrait,speech,out,steps,fit,blinks,detail,guidance,alpha,beta,face_x,live\n"
        "a.png,talk.wav,a.mp4,8,crop,no,yes,split,,,0.25,no\n"
        "b.png,talk.wav,b.mp4,,,,auto,split,1.5,3,,\n"
    )
    assert run(table, "one") == 0
    before = PROMPT["3"]["inputs"]
    first, second = (prompt["3"]["inputs"] for prompt in StubHost.prompts)
    changed = {name: value for name, value in first.items() if before.get(name) != value}
    assert changed == {
        "steps": 8, "fit": "crop", "blinks": "off", "detail": "on", "guidance": "split (checkpoint's)",
        "face_x": 0.25, "live": False,
    }  # fmt: skip
    changed = {name: value for name, value in second.items() if before.get(name) != value}
    assert changed == {"guidance": "split", "guidance.alpha": 1.5, "guidance.beta": 3.0}
    assert PROMPT["3"]["inputs"]["steps"] == 0


def test_what_changed_is_made_again_and_nothing_else(table, hosts):
    columns = "portrait,speech,out,steps\n"
    table.write_text(columns + "a.png,talk.wav,a.mp4,4\nb.png,talk.wav,b.mp4,4\n")
    assert run(table, "one") == 0
    table.write_text(columns + "a.png,talk.wav,a.mp4,8\nb.png,talk.wav,b.mp4,4\n")
    assert run(table, "two") == 0
    assert [prompt["3"]["inputs"]["steps"] for prompt in StubHost.prompts] == [4, 4, 8]
    (table.parent / "talk.wav").write_text("another")
    assert run(table, "one") == 0
    assert [prompt["3"]["inputs"]["steps"] for prompt in StubHost.prompts[3:]] == [8, 4]


def test_a_file_that_is_no_result_is_never_replaced(table, hosts, capsys):
    assert run(table, "one") == 0
    (table.parent / "a.mp4").write_text("mine")
    (table.parent / "b.mp4").unlink()
    assert run(table, "one") == 1
    assert (table.parent / "a.mp4").read_text() == "mine"
    assert "a.mp4 exists and is no result of this table" in capsys.readouterr().err
    assert {name: state for name, (state, *_) in results_of(table).items()} == {
        "a.mp4": "failed",
        "b.mp4": "done",
    }


def test_videos_of_a_folder_without_results_count_as_done(table, hosts):
    (table.parent / "a.mp4").write_text("of an earlier version")
    assert run(table, "one") == 0
    assert (table.parent / "a.mp4").read_text() == "of an earlier version"
    state, made, _, message = results_of(table)["a.mp4"]
    assert (state, made) == ("done", checksum(table.parent / "a.mp4"))
    assert message == "was there before results were kept"
    assert len(StubHost.prompts) == 1


def test_results_are_not_mixed_with_something_else(table):
    with pytest.raises(ValueError, match="holds no results; name another file with --results"):
        Results(table)


def test_an_unfinished_line_is_cut_off(table, hosts):
    assert run(table, "one") == 0
    path = table.with_suffix(".results.csv")
    whole = path.read_bytes()
    path.write_bytes(whole + b"a.mp4,fai")
    assert run(table, "broken") == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("bad", ["broken", "gone", "slow"])
def test_what_one_host_fails_at_another_makes(table, hosts, bad):
    assert run(table, f"{bad},good") == 0
    assert (table.parent / "a.mp4").read_text().startswith("good")
    assert (table.parent / "b.mp4").read_text().startswith("good")


def test_what_fails_twice_is_told_and_the_rest_is_kept(table, hosts, capsys):
    assert run(table, "broken") == 1
    told = capsys.readouterr().err
    assert "out of memory" in told
    assert "0 made, 2 failed" in told
    why = "READ_ANSSampler: out of memory"
    assert results_of(table) == dict.fromkeys(("a.mp4", "b.mp4"), ("failed", "", 2, why))
    assert not (table.parent / "a.mp4").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("portrait,speech\na.png,talk.wav\n", "lacks the column out"),
        (
            "portrait,speech,out,size\na.png,talk.wav,a.mp4,3\n",
            "unknown column 'size'; expected .* face_x, fit",
        ),
        ("portrait,speech,out,index\na.png,talk.wav,a.mp4,3\n", "of LoadImage or READ_TalkingHeadToFile"),
        ("portrait,speech,out,steps\na.png,talk.wav,a.mp4,3.5\n", "steps is '3.5'; expected a whole number"),
        ("portrait,speech,out,blinks\na.png,talk.wav,a.mp4,often\n", "'often'; expected yes, no or auto"),
        ("portrait,speech,out,live\na.png,talk.wav,a.mp4,1\n", "live is '1'; expected yes or no"),
        ("portrait,speech,out\na.png,talk.wav,\n", "line 2: out is empty"),
        ("portrait,speech,out\na.png,talk.wav,a.mp4\nb.png,talk.wav,a.mp4\n", "line 3: an earlier line"),
        ("portrait,speech,out,seed\na.png,talk.wav,a.mp4,x\n", "line 2: seed is 'x'"),
        ("portrait,speech,out\nno.png,talk.wav,a.mp4\n", "no.png: no such file"),
    ],
)
def test_a_wrong_table_is_refused(table, text, message):
    table.write_text(text)
    with pytest.raises(ValueError, match=message):
        queue_table.read_table(table, PROMPT)
