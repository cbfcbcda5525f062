"""scripts/queue_workflow.py: its pure functions, and the whole against a real host."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import av
import pytest
from PIL import Image

from ..nodes.host import ROOT

web = pytest.importorskip("aiohttp.web", reason="no aiohttp: pip install aiohttp")
StubServer = pytest.importorskip("aiohttp.test_utils").TestServer
queue_workflow = pytest.importorskip("queue_workflow", reason="no aiohttp: pip install aiohttp")
PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "READ_ANSSampler", "inputs": {"seed": 3}, "_meta": {"title": "Mine"}},
    "3": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "x"}},
}


EXAMPLES = "READ_ExampleInputs"
SHIPPED = sorted(path.stem for path in (ROOT / "workflows" / "api").glob("*.json"))
SAVED = sorted(path.stem for path in (ROOT / "tests" / "workflows" / "saved" / "api").glob("*.json"))


def message(kind, **data):
    return {"type": kind, "data": {"prompt_id": "p", **data}}


class TestWork:
    def heard(self, *messages):
        work = queue_workflow.Work("p", PROMPT)
        return work, [line for line in map(work.hear, messages) if line is not None]

    def test_names_the_node_and_its_steps(self):
        _, lines = self.heard(
            message("executing", node="1"),
            message("executing", node="2"),
            message("progress", node="2", value=4, max=12),
        )
        assert lines == ["[1/3] LoadImage", "[2/3] Mine", "[2/3] Mine: 4 of 12"]

    def test_counts_cached_nodes(self):
        _, lines = self.heard(message("execution_cached", nodes=["1"]), message("executing", node="2"))
        assert lines == ["[2/3] Mine"]

    def test_passes_over_other_prompts(self):
        work, lines = self.heard(
            message("executing", prompt_id="q", node="1"), message("execution_success", prompt_id="q")
        )
        assert lines == []
        assert not work.ended

    def test_tells_of_a_queue(self):
        _, lines = self.heard({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 3}}}})
        assert lines == ["waiting: 3 in the queue"]

    @pytest.mark.parametrize("last", ["execution_success", "execution_error", "execution_interrupted"])
    def test_ends_when_the_host_has_stored_its_history(self, last):
        assert not self.heard(message(last))[0].ended
        assert self.heard(message(last), message("executing", node=None))[0].ended


class TestFilled:
    def test_replaces_files_and_seed_in_a_copy(self):
        made = queue_workflow.filled(PROMPT, {"LoadImage": "b.png"}, 7)
        assert made["1"]["inputs"]["image"] == "b.png"
        assert made["2"]["inputs"]["seed"] == 7
        assert PROMPT["1"]["inputs"]["image"] == "a.png"

    @pytest.mark.parametrize("name", SHIPPED)
    def test_files_take_the_place_of_the_examples(self, name):
        before = queue_workflow.read_prompt(ROOT / "workflows" / "api" / f"{name}.json")
        (examples,) = [number for number, node in before.items() if node["class_type"] == EXAMPLES]
        made = queue_workflow.filled(before, {"LoadImage": "me.png", "LoadAudio": "talk.wav"})
        assert EXAMPLES not in {node["class_type"] for node in made.values()}
        used = {"LoadImage": 0, "LoadAudio": 0}
        for number, node in before.items():
            for key, link in node["inputs"].items():
                now = made[number]["inputs"][key] if number != examples else None
                if isinstance(link, list) and link[0] == examples:
                    kind = ("LoadImage", "LoadAudio")[link[1]]
                    assert (made[now[0]]["class_type"], now[1]) == (kind, 0)
                    used[kind] += 1
                elif number != examples:
                    assert now == link
        assert all(used.values())
        assert {"image": "me.png"} in [node["inputs"] for node in made.values()]
        assert {"audio": "talk.wav"} in [node["inputs"] for node in made.values()]

    @pytest.mark.parametrize("name", SHIPPED)
    def test_what_is_not_given_stays_an_example(self, name):
        before = queue_workflow.read_prompt(ROOT / "workflows" / "api" / f"{name}.json")
        assert queue_workflow.filled(before, {}) == before
        made = queue_workflow.filled(before, {"LoadAudio": "talk.wav"})
        (examples,) = [number for number, node in made.items() if node["class_type"] == EXAMPLES]
        links = [link for node in made.values() for link in node["inputs"].values() if isinstance(link, list)]
        assert [examples, 0] in links
        assert [examples, 1] not in links

    @pytest.mark.parametrize("name", SAVED)
    def test_graphs_of_before_load_the_files(self, name):
        path = ROOT / "tests" / "workflows" / "saved" / "api" / f"{name}.json"
        made = queue_workflow.filled(
            queue_workflow.read_prompt(path), {"LoadImage": "me.png", "LoadAudio": "talk.wav"}
        )
        loaded = {node["class_type"]: node["inputs"] for node in made.values()}
        assert loaded["LoadImage"]["image"] == "me.png"
        assert loaded["LoadAudio"]["audio"] == "talk.wav"

    def test_keeps_the_seed_without_another(self):
        assert queue_workflow.filled(PROMPT, {}) == PROMPT

    def test_takes_zero_for_a_seed(self):
        assert queue_workflow.filled(PROMPT, {}, 0)["2"]["inputs"]["seed"] == 0


class TestChosen:
    def test_uploads_nothing_where_the_prompt_has_its_examples(self):
        prompt = {"1": {"class_type": EXAMPLES, "inputs": {"portrait": "drawn"}}}
        assert queue_workflow.chosen(prompt, None, None) == {}

    def test_uploads_what_is_given_and_examples_for_prompts_that_load_files(self, tmp_path):
        found = queue_workflow.chosen(PROMPT, None, tmp_path / "talk.wav")
        assert found == {"LoadImage": ROOT / "assets" / "portrait.png", "LoadAudio": tmp_path / "talk.wav"}


class TestErrors:
    def test_refusal_names_node_and_reason_in_one_line(self):
        answer = {
            "error": {"message": "Prompt outputs failed validation"},
            "node_errors": {
                "2": {"class_type": "READ_X", "errors": [{"message": "Too big", "details": "steps\n900"}]}
            },
        }
        said = queue_workflow.refusal(json.dumps(answer).encode())
        assert said == (
            "the host refused: Prompt outputs failed validation; node 2 (READ_X): Too big: steps 900"
        )

    @pytest.mark.parametrize("answer", [b"gateway\ntimeout", b"[]", b"{}"])
    def test_refusal_of_another_kind_is_shown(self, answer):
        assert queue_workflow.one_line(answer.decode()) in queue_workflow.refusal(answer)

    def test_failed_node_is_named(self):
        failure = {"node_type": "READ_X", "exception_message": "bad\nthing"}
        entry = {"status": {"messages": [["execution_error", failure]]}, "outputs": {}}
        with pytest.raises(queue_workflow.HostError, match=r"^READ_X: bad thing$"):
            queue_workflow.finished(entry)

    def test_interrupt_is_told(self):
        entry = {"status": {"messages": [["execution_interrupted", {}]]}, "outputs": {}}
        with pytest.raises(queue_workflow.HostError, match="interrupted"):
            queue_workflow.finished(entry)


def test_results_are_the_files_alone():
    video = {"filename": "a.mp4", "subfolder": "video", "type": "output"}
    outputs = {"9": {"images": [video], "animated": [True]}, "8": {"text": "x"}}
    assert list(queue_workflow.results(outputs)) == [video]


class TestReadPrompt:
    @pytest.mark.parametrize(
        "path", sorted((ROOT / "workflows" / "api").glob("*.json")), ids=lambda p: p.stem
    )
    def test_reads_the_shipped_ones(self, path):
        assert queue_workflow.read_prompt(path)["1"]["class_type"] == "READ_LoadModels"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("{", "cannot be read"),
            ('{"nodes": []}', "workflows/api"),
            ('{"1": 2}', "not an API prompt"),
            ("[]", "not an API"),
        ],
    )
    def test_refuses_others(self, tmp_path, text, told):
        file = tmp_path / "w.json"
        file.write_text(text)
        with pytest.raises(ValueError, match=told):
            queue_workflow.read_prompt(file)


class TestHost:
    """Against a host that takes its time between a success and its history, as the real one may."""

    def host(self):
        queued, asked, history = asyncio.Event(), asyncio.Event(), {}

        async def work(socket):
            await queued.wait()
            await socket.send_json(message("execution_success"))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asked.wait(), 0.5)
            history["p"] = {"status": {"messages": []}, "outputs": {"9": {}}}
            with contextlib.suppress(ConnectionError):
                await socket.send_json(message("executing", node=None))

        async def follow(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await asyncio.gather(work(socket), socket.receive())
            return socket

        async def queue(_):
            queued.set()
            return web.json_response({"prompt_id": "p"})

        async def answer(_):
            asked.set()
            return web.json_response(history)

        app = web.Application()
        app.add_routes([web.get("/ws", follow), web.post("/prompt", queue), web.get("/history/p", answer)])
        return app

    def test_history_is_asked_when_it_is_stored(self):
        async def outputs():
            async with (
                StubServer(self.host()) as server,
                queue_workflow.connected(str(server.make_url("/"))) as host,
            ):
                return await host.run(PROMPT)

        with ThreadPoolExecutor() as pool:  # the browser of other tests has a loop in this thread
            assert pool.submit(asyncio.run, outputs()).result() == {"9": {}}


def script(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "queue_workflow.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestCommand:
    def test_wrong_arguments_give_2(self):
        done = script(ROOT / "workflows" / "READ_check.json")
        assert done.returncode == 2
        assert "workflows/api" in done.stderr

    def test_no_host_gives_1_and_one_line(self):
        done = script(ROOT / "workflows" / "api" / "READ_check.json", "--host", "127.0.0.1:9")
        assert done.returncode == 1
        assert done.stderr.startswith("error: no ComfyUI answers at http://127.0.0.1:9")
        assert done.stderr.count("\n") == 1

    @pytest.mark.comfy
    @pytest.mark.slow
    def test_fetches_the_video_and_tells_the_steps(self, address, base, tmp_path):
        done = script(
            ROOT / "workflows" / "api" / "READ_talking_head.json",
            *("--host", address, "--speech", base / "input" / "short.wav", "--seed", 5, "--out", tmp_path),
        )
        assert done.returncode == 0, done.stderr
        (video,) = tmp_path.iterdir()
        assert done.stdout == f"{video}\n"
        with av.open(str(video)) as file:
            assert file.streams.video[0].frames == 25
        lines = done.stderr.splitlines()
        assert "[11/11] Save Video" in lines
        own = ROOT / "read_core" / "checkpoints" / "read-tiny" / "scheduler" / "scheduler_config.json"
        steps = json.loads(own.read_text(encoding="utf-8"))["steps"]
        assert any(line.endswith(f"READ ANS Sampler: 1 of {steps}") for line in lines), lines

    @pytest.mark.comfy
    @pytest.mark.slow
    @pytest.mark.parametrize("folder", ["workflows/api", "tests/workflows/saved/api"])
    def test_leaves_the_users_inputs_as_they_are(self, address, base, tmp_path, folder):
        """Files of the same names get others, which the prompt then reads; the second run is cached."""
        theirs = {name: base / "input" / name for name in ("portrait.png", "speech.flac")}
        before = {name: path.read_bytes() for name, path in theirs.items()}
        with Image.open(theirs["portrait.png"]) as portrait:
            portrait.rotate(180).save(tmp_path / "portrait.png")
        shutil.copy(base / "input" / "short.wav", tmp_path / "speech.flac")
        for _ in range(2):
            done = script(
                ROOT / folder / "READ_long_audio.json",
                *("--host", address, "--out", tmp_path / "out", "--portrait", tmp_path / "portrait.png"),
                *("--speech", tmp_path / "speech.flac"),
            )
            assert done.returncode == 0, done.stderr
        assert {name: path.read_bytes() for name, path in theirs.items()} == before
        with av.open(str(next((tmp_path / "out").iterdir()))) as file:
            assert file.streams.video[0].frames == 25
            assert "portrait (1).png" in file.metadata["prompt"]

    @pytest.mark.comfy
    @pytest.mark.slow
    def test_refused_prompt_gives_1_and_one_line(self, address, tmp_path):
        prompt = json.loads((ROOT / "workflows" / "api" / "READ_long_audio.json").read_text())
        (writer,) = [node for node in prompt.values() if "steps" in node["inputs"]]
        writer["inputs"]["steps"] = 900
        (tmp_path / "w.json").write_text(json.dumps(prompt))
        done = script(tmp_path / "w.json", "--host", address, "--out", tmp_path / "out")
        assert done.returncode == 1
        assert "steps" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()
