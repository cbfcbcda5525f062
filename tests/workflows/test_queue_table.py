"""scripts/queue_table.py: the lines of a table on several hosts, of which some fail."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: pip install aiohttp")
queue_table = pytest.importorskip("queue_table")
PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "LoadAudio", "inputs": {"audio": "a.wav"}},
    "3": {"class_type": "READ_TalkingHeadToFile", "inputs": {"seed": 3, "image": ["1", 0]}},
}


class StubHost:
    """Makes a file that says where and from what it was made; ``broken`` fails."""

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
    async def connected(address):
        if address == "gone":
            raise queue_table.HostError("no ComfyUI answers at gone")
        yield StubHost(address)

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
    rows, addresses = queue_table.read_table(table), hosts.split(",")
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(queue_table.work_table(rows, addresses, PROMPT))).result()


def test_hosts_share_the_lines_and_videos_get_their_names(table, hosts, capsys):
    assert run(table, "one,two") == 0
    made = {name: (table.parent / name).read_text().split() for name in ("a.mp4", "b.mp4")}
    assert [words[1:] for words in made.values()] == [["a.png", "talk.wav", "3"], ["b.png", "talk.wav", "7"]]
    assert {words[0] for words in made.values()} == {"one", "two"}
    assert sorted(path.name for path in table.parent.iterdir()) == [
        "a.mp4", "a.png", "b.mp4", "b.png", "jobs.csv", "talk.wav"
    ]  # fmt: skip
    assert run(table, "broken") == 0
    assert "2 of them there already" in capsys.readouterr().err


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
    assert not (table.parent / "a.mp4").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("portrait,speech\na.png,talk.wav\n", "expected portrait, speech, out"),
        ("portrait,speech,out,steps\na.png,talk.wav,a.mp4,3\n", "the rest is the workflow's"),
        ("portrait,speech,out,seed\na.png,talk.wav,a.mp4,x\n", "line 2: seed is 'x'"),
        ("portrait,speech,out\nno.png,talk.wav,a.mp4\n", "no.png: no such file"),
    ],
)
def test_a_wrong_table_is_refused(table, text, message):
    table.write_text(text)
    with pytest.raises(ValueError, match=message):
        queue_table.read_table(table)
