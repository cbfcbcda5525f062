"""scripts/comfy_host.py: progress, refusals and results, from messages as a ComfyUI sends them."""

import asyncio
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

web = pytest.importorskip("aiohttp.web", reason="no aiohttp: pip install aiohttp")
StubServer = pytest.importorskip("aiohttp.test_utils").TestServer
comfy_host = pytest.importorskip("comfy_host")
PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "READ_ANSSampler", "inputs": {"seed": 3}, "_meta": {"title": "Mine"}},
    "3": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "x"}},
}


def message(kind, **data):
    return {"type": kind, "data": {"prompt_id": "p", **data}}


class TestWork:
    def heard(self, *messages):
        work = comfy_host.Work("p", PROMPT)
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


class TestErrors:
    def test_refusal_names_node_and_reason_in_one_line(self):
        answer = {
            "error": {"message": "Prompt outputs failed validation"},
            "node_errors": {
                "2": {"class_type": "READ_X", "errors": [{"message": "Too big", "details": "steps\n900"}]}
            },
        }
        said = comfy_host.refusal(json.dumps(answer).encode())
        assert said == (
            "the host refused: Prompt outputs failed validation; node 2 (READ_X): Too big: steps 900"
        )

    @pytest.mark.parametrize("answer", [b"gateway\ntimeout", b"[]", b"{}"])
    def test_refusal_of_another_kind_is_shown(self, answer):
        assert comfy_host.one_line(answer.decode()) in comfy_host.refusal(answer)

    def test_failed_node_is_named(self):
        failure = {"node_type": "READ_X", "exception_message": "bad\nthing"}
        entry = {"status": {"messages": [["execution_error", failure]]}, "outputs": {}}
        with pytest.raises(comfy_host.HostError, match=r"^READ_X: bad thing$"):
            comfy_host.finished(entry)

    def test_interrupt_is_told(self):
        entry = {"status": {"messages": [["execution_interrupted", {}]]}, "outputs": {}}
        with pytest.raises(comfy_host.HostError, match="interrupted"):
            comfy_host.finished(entry)


def test_results_are_the_files_alone():
    video = {"filename": "a.mp4", "subfolder": "video", "type": "output"}
    outputs = {"9": {"images": [video], "animated": [True]}, "8": {"text": "x"}}
    assert list(comfy_host.results(outputs)) == [video]


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

    @pytest.mark.parametrize(("token", "reason"), [("Bearer yes", None), ("Bearer no", "--header")])
    def test_a_host_behind_a_token(self, tmp_path, token, reason):
        async def upload(request):
            if request.headers.get("Authorization") != "Bearer yes":
                return web.Response(status=401, text="<html>who are you?</html>")
            return web.json_response({"name": "a.png"})

        async def name():
            app = web.Application()
            app.add_routes([web.post("/upload/image", upload)])
            async with (
                StubServer(app) as server,
                comfy_host.connected(str(server.make_url("/")), {"Authorization": token}) as host,
            ):
                return await host.upload(file)

        file = tmp_path / "a.png"
        file.write_bytes(b"")
        with ThreadPoolExecutor() as pool:
            work = pool.submit(asyncio.run, name())
            if reason is None:
                assert work.result() == "a.png"
            else:
                with pytest.raises(comfy_host.HostError, match=reason):
                    work.result()

    def test_history_is_asked_when_it_is_stored(self):
        async def outputs():
            async with (
                StubServer(self.host()) as server,
                comfy_host.connected(str(server.make_url("/"))) as host,
            ):
                return await host.run(PROMPT)

        with ThreadPoolExecutor() as pool:  # the browser of other tests has a loop in this thread
            assert pool.submit(asyncio.run, outputs()).result() == {"9": {}}

    def test_an_error_of_a_local_file_is_not_the_hosts(self, tmp_path):
        async def upload():
            async with comfy_host.connected("127.0.0.1:9") as host:
                await host.upload(tmp_path / "gone.png")

        with ThreadPoolExecutor() as pool, pytest.raises(FileNotFoundError):
            pool.submit(asyncio.run, upload()).result()

    @pytest.mark.parametrize("quiet", [0.05, 30.0])
    def test_a_prompt_that_somebody_removes_is_told(self, monkeypatch, quiet):
        """At once if the host says that its queue has changed, else after a pause."""
        monkeypatch.setattr(comfy_host, "QUIET", quiet)
        asked = []

        async def follow(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            if quiet > 1:
                await socket.send_json({"type": "status", "data": {}})
            await socket.receive()
            return socket

        async def queue(_):
            return web.json_response({"prompt_id": "p"})

        async def queued(_):
            asked.append("queue")
            waits = [[1, "p", {}, {}, []]] if len(asked) == 1 and quiet < 1 else []
            return web.json_response({"queue_running": [[0, "q", {}, {}, []]], "queue_pending": waits})

        async def history(_):
            return web.json_response({})

        app = web.Application()
        app.add_routes(
            [
                web.get("/ws", follow),
                web.post("/prompt", queue),
                web.get("/queue", queued),
                web.get("/history/p", history),
            ]
        )

        async def outputs():
            async with StubServer(app) as server, comfy_host.connected(str(server.make_url("/"))) as host:
                return await host.run(PROMPT)

        with ThreadPoolExecutor() as pool, pytest.raises(comfy_host.HostError, match="removed it"):
            pool.submit(asyncio.run, outputs()).result(timeout=20)
        assert len(asked) == (2 if quiet < 1 else 1)

    @pytest.mark.parametrize("answer", ["<html>welcome</html>", '{"no": "queue"}', "[]"])
    def test_another_server_is_no_comfyui(self, answer):
        async def any_page(_):
            return web.Response(text=answer)

        async def queued():
            app = web.Application()
            app.add_routes([web.get("/queue", any_page)])
            async with StubServer(app) as server, comfy_host.connected(str(server.make_url("/"))) as host:
                return await host.queued()

        with ThreadPoolExecutor() as pool, pytest.raises(comfy_host.HostError, match="not ComfyUI's"):
            pool.submit(asyncio.run, queued()).result()

    @pytest.mark.parametrize("at", ["/queue", "/view"])
    def test_a_host_that_hangs_is_given_up(self, monkeypatch, tmp_path, at):
        """It takes the request, and then no byte of an answer comes."""
        monkeypatch.setattr(comfy_host, "STUCK", 0.2)

        async def hang(_):
            await asyncio.sleep(5)

        async def ask():
            app = web.Application()
            app.add_routes([web.get(at, hang)])
            async with StubServer(app) as server, comfy_host.connected(str(server.make_url("/"))) as host:
                if at == "/queue":
                    await host.queued()
                await host.fetch({"filename": "a.mp4"}, tmp_path)

        with ThreadPoolExecutor() as pool, pytest.raises(comfy_host.HostError, match=r"no ComfyUI answers"):
            pool.submit(asyncio.run, ask()).result(timeout=20)
        assert not list(tmp_path.iterdir())
