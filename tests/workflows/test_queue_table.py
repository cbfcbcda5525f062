"""scripts/queue_table.py: the lines of a table on several hosts, of which some fail."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from read_core.batch import results as batch_results
from read_core.batch.table import checksum

pytest.importorskip("aiohttp", reason="no aiohttp: pip install aiohttp")
queue_table = pytest.importorskip("queue_table")
queue_rows = pytest.importorskip("queue_rows")
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
    """Makes a file that says where and from what it was made; ``broken`` fails, ``gone`` does not answer.

    ``late`` answers when it is asked for the third time, and ``patient`` works until ``late`` has worked.
    """

    prompts: list[dict] = []  # noqa: RUF012 - of all hosts
    asked = 0  # how often ``late`` was

    def __init__(self, address):
        self.address, self.quiet = address, False

    async def queued(self):
        StubHost.asked += self.address == "late"
        if self.address.startswith("gone") or (self.address == "late" and self.asked < 3):
            raise queue_table.HostError(f"no ComfyUI answers at {self.address}")
        return set()

    async def upload(self, path):
        await self.queued()
        with path.open("rb"):
            return path.name

    async def run(self, prompt):
        await asyncio.sleep(0)
        if self.address == "slow":
            await asyncio.sleep(0.1)
            raise queue_table.HostError("READ_ANSSampler: out of memory")
        if self.address == "broken":
            raise queue_table.HostError("READ_ANSSampler: out of memory")
        while self.address == "patient" and not self.prompts:
            await asyncio.sleep(0.01)
        self.prompts.append(prompt)
        inputs = [node["inputs"] for node in prompt.values()]
        return {"made": f"{self.address} {inputs[0]['image']} {inputs[1]['audio']} {inputs[2]['seed']}"}

    async def results(self, _, outputs):
        return [{"filename": "x.png", "text": ""}, {"filename": "x_00001_.mp4", "text": outputs["made"]}]

    @asynccontextmanager
    async def downloaded(self, item, target):
        file = target.with_name(f".{target.name}.part")
        file.write_text(item["text"])
        yield file


@pytest.fixture
def hosts(monkeypatch):
    @asynccontextmanager
    async def connected(address, headers=None):
        yield StubHost(address)

    monkeypatch.setattr(StubHost, "prompts", [])
    monkeypatch.setattr(StubHost, "asked", 0)
    monkeypatch.setattr(queue_table, "connected", connected)
    monkeypatch.setattr(queue_table, "PAUSE", 0.01)
    monkeypatch.setattr(queue_table, "AGAIN", 0.02)


@pytest.fixture
def table(tmp_path):
    for name in ("a.png", "b.png", "talk.wav"):
        (tmp_path / name).touch()
    path = tmp_path / "jobs.csv"
    path.write_text("portrait,speech,out,seed\na.png,talk.wav,a.mp4,\nb.png,talk.wav,b.mp4,7\n")
    return path


def run(table, hosts):
    """In a thread of its own: the browser of other tests leaves a loop running in this one."""
    rows, addresses = queue_rows.read_table(table, PROMPT), hosts.split(",")
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


SPLIT = {"guidance": "split", "guidance.alpha": -1.0, "guidance.beta": 3.0}


@pytest.mark.parametrize(
    ("workflow", "columns", "cells", "expected"),
    [
        (SPLIT, "alpha", "2", SPLIT | {"guidance.alpha": 2.0}),
        (SPLIT, "guidance.beta", "2", SPLIT | {"guidance.beta": 2.0}),
        (SPLIT, "guidance", "none", SPLIT | {"guidance": "none"}),
        (SPLIT, "guidance,alpha", "joint,2", SPLIT | {"guidance": "joint", "guidance.alpha": 2.0}),
        ({"guidance": "split (checkpoint's)"}, "alpha,beta", "-1,3", SPLIT),
        ({"guidance": "none"}, "guidance,alpha,beta", "split,-1,3", SPLIT),
    ],
)
def test_guidance_and_its_scales_are_set_together(table, workflow, columns, cells, expected):
    prompt = {"1": {"class_type": "READ_ANSSampler", "inputs": workflow}}
    table.write_text(f"portrait,speech,out,{columns}\na.png,talk.wav,a.mp4,{cells}\n")
    (row,) = queue_rows.read_table(table, prompt)
    assert row.prompt(prompt, {})["1"]["inputs"] == expected


@pytest.mark.parametrize(
    ("workflow", "columns", "cells", "message"),
    [
        ({"guidance": "checkpoint default"}, "alpha", "2", "fill the column guidance with split or joint"),
        ({"guidance": "checkpoint default"}, "guidance,alpha,beta", "split,2,", "needs beta too"),
        ({"guidance": "joint", "guidance.alpha": 2.5}, "guidance,beta", "split,3", "needs alpha too"),
        ({"guidance": "joint", "guidance.alpha": 2.5}, "beta", "3", "beta is 3, but guidance is 'joint'"),
        (SPLIT, "guidance,alpha", "none,3", "alpha is 3, but guidance is 'none'; leave alpha out"),
        (SPLIT, "alpha,guidance.alpha", "1,2", "both set alpha; leave one out"),
    ],
)
def test_a_scale_that_the_host_would_ignore_is_refused(table, workflow, columns, cells, message):
    prompt = {"1": {"class_type": "READ_ANSSampler", "inputs": workflow}}
    table.write_text(f"portrait,speech,out,{columns}\na.png,talk.wav,a.mp4,{cells}\n")
    with pytest.raises(ValueError, match=message):
        queue_rows.read_table(table, prompt)


def test_a_size_is_width_and_height(table):
    reference = {"class_type": "READ_EncodeReference", "inputs": {"width": 0, "height": 0}}
    restore = {"class_type": "READ_RestoreDetail", "inputs": {"size": 0}}
    table.write_text("portrait,speech,out,size\na.png,talk.wav,a.mp4,256\n")
    (row,) = queue_rows.read_table(table, {"1": reference})
    assert row.prompt({"1": reference}, {})["1"]["inputs"] == {"width": 256, "height": 256}
    (row,) = queue_rows.read_table(table, {"1": reference, "2": restore})  # a widget of that name comes first
    assert row.widgets == {("READ_RestoreDetail", "size"): 256}
    with pytest.raises(ValueError, match="unknown column 'size'"):
        queue_rows.read_table(table, PROMPT)
    table.write_text("portrait,speech,out,size,width\na.png,talk.wav,a.mp4,256,128\n")
    with pytest.raises(ValueError, match="'size' and 'width' both set width"):
        queue_rows.read_table(table, {"1": reference})


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


def test_hosts_that_do_not_answer_use_up_no_attempts(table, hosts, capsys):
    assert run(table, "gone1,gone2,good") == 0
    assert {attempts for _, _, attempts, _ in results_of(table).values()} == {1}
    told = capsys.readouterr().err
    assert all(told.count(f"{name} is left out until it answers") == 1 for name in ("gone1", "gone2"))
    assert "2 made, 0 failed" in told


def test_a_host_that_answers_later_takes_part(table, hosts):
    assert run(table, "patient,late") == 0
    made = {(table.parent / name).read_text().split()[0] for name in ("a.mp4", "b.mp4")}
    assert made == {"patient", "late"}


def test_without_any_host_nothing_has_failed_and_the_next_run_makes_it(table, hosts, capsys):
    assert run(table, "gone1,gone2") == 1
    assert results_of(table) == {}
    assert "no host answers: 2 left" in capsys.readouterr().err
    assert run(table, "good") == 0


def test_a_line_that_failed_on_the_only_host_that_answers_is_tried_there_again(table, hosts):
    assert run(table, "broken,gone") == 1
    assert {attempts for _, _, attempts, _ in results_of(table).values()} == {2}


def test_an_error_of_a_local_file_is_of_its_line_alone(table, hosts):
    (table.parent / "folder").touch()
    table.write_text("portrait,speech,out\na.png,talk.wav,folder/a.mp4\nb.png,talk.wav,b.mp4\n")
    assert run(table, "one,two") == 1
    state, _, attempts, why = results_of(table)["folder/a.mp4"]
    assert (state, attempts) == ("failed", 1)
    assert "folder" in why
    assert "no ComfyUI" not in why
    assert results_of(table)["b.mp4"][0] == "done"


@pytest.mark.parametrize("change", ["", "again"])
def test_a_video_whose_result_was_lost_in_a_kill_is_not_foreign(table, hosts, monkeypatch, change):
    """Nor is the one before it, if the kill came before the new one had its name."""
    if change:
        assert run(table, "one") == 0
        (table.parent / "talk.wav").write_text(change)
    add, replace = Results.add, Path.replace

    def killed(self, out, state, **values):
        if state == "done" and not change:
            raise SystemExit
        add(self, out, state, **values)

    def not_named(self, target):
        if change:
            raise SystemExit
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Results, "add", killed)
        patch.setattr(Path, "replace", not_named)
        with pytest.raises(SystemExit):
            run(table, "one")
    assert (table.parent / "a.mp4").exists()
    assert run(table, "two") == 0
    assert (table.parent / "a.mp4").read_text().startswith("two")
    assert {state for state, *_ in results_of(table).values()} == {"done"}


def test_what_a_killed_download_has_left_is_in_nobodys_way(table, hosts):
    (table.parent / ".a").mkdir()  # where earlier versions kept it
    (table.parent / ".a" / ".x_00001_.mp4.part").write_text("half")
    (table.parent / ".a.mp4.part").write_text("half")
    assert run(table, "one") == 0
    assert not (table.parent / ".a.mp4.part").exists()


def test_a_file_that_appears_meanwhile_is_not_replaced(table, hosts, monkeypatch):
    wait = StubHost.results

    async def results(self, prompt, outputs):
        (table.parent / "a.mp4").write_text("mine")
        return await wait(self, prompt, outputs)

    monkeypatch.setattr(StubHost, "results", results)
    assert run(table, "one") == 1
    assert (table.parent / "a.mp4").read_text() == "mine"
    assert results_of(table)["b.mp4"][0] == "done"


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
            "portrait,speech,out,speed\na.png,talk.wav,a.mp4,3\n",
            "unknown column 'speed'; expected .* face_x, fit",
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
        queue_rows.read_table(table, PROMPT)
