"""Several prompts: what is kept, what is run again, what is freed."""

import shutil
from statistics import median

import pytest

from .prompts import changed, node, quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
FLAT = 40 * 2**20  # bytes that the host may grow by over a dozen runs


def test_the_same_prompt_again_runs_nothing(client):
    prompt = quick(seed=41)
    first = client.run(prompt)
    again = client.run(prompt)
    assert first.executed
    assert again.executed == set()
    assert again.cached == set(prompt)


def test_another_seed_runs_the_sampler_and_what_follows(client):
    client.run(quick(seed=42))
    assert client.run(quick(seed=43)).executed == {"6", "7"}


def test_another_portrait_uses_the_loaded_models(host, client):
    shutil.copy(host.base / "input" / "portrait.png", host.base / "input" / "other.png")
    prompt = quick(seed=44)
    prompt["8"] = node("ReadTest_Loaded", nonce=1, after=["6", 0])
    first = client.run(prompt).history["outputs"]["8"]["identities"]
    second = client.run(changed(prompt, image="other.png"))
    assert second.executed == {"2", "5", "6", "7", "8"}
    assert len(set(first)) >= 3  # speech, VAE, transformer
    assert sorted(second.history["outputs"]["8"]["identities"]) == sorted(first)


def test_another_recording_uses_the_loaded_models(client):
    client.run(quick(seed=45))
    run = client.run(quick(seed=45, audio="short.wav", start=0.0))
    assert run.executed == {"3", "4", "6", "7"}


def test_a_checkpoint_that_changes_is_loaded_again(host, client, own_checkpoint):
    prompt = quick(seed=46, checkpoint=own_checkpoint)
    assert client.run(prompt).status == "success"
    assert client.run(prompt).executed == set()
    (host.base / "models" / "read" / own_checkpoint / "model_index.json").touch()
    run = client.run(prompt)
    assert run.status == "success", run.error
    assert "1" in run.executed


def test_two_prompts_queued_at_once(client):
    first, second = client.queue(quick(seed=47)), client.queue(quick(seed=48))
    runs = [client.wait(first), client.wait(second)]
    assert [run.status for run in runs] == ["success", "success"]
    assert runs[0].ui("7", "digest") != runs[1].ui("7", "digest")


def test_unload_and_run_again(host, client):
    prompt = quick(seed=49)
    prompt["8"] = node("ReadTest_Loaded", nonce=1, after=["6", 0])
    first = client.run(prompt)
    assert "ModelHolder" in first.history["outputs"]["8"]["loaded"]
    client.free(changed(prompt, nonce=5), unload_models=True)
    changed_only = client.run(changed(prompt, nonce=2))
    assert changed_only.executed == {"8"}
    assert changed_only.history["outputs"]["8"]["loaded"] == []
    again = client.run(changed(prompt, order="steps", nonce=3))  # the same latents, but not from the cache
    assert again.executed == {"6", "7", "8"}
    assert sorted(again.history["outputs"]["8"]["loaded"]) == ["ModelHolder", "VAEHolder"]
    client.free(unload_models=True, free_memory=True)
    anew = client.run(changed(prompt, nonce=4))
    assert "1" in anew.executed
    assert first.ui("7", "digest") == again.ui("7", "digest") == anew.ui("7", "digest")
    assert "memory leak" not in host.log


def test_twenty_in_a_row_in_the_same_memory(host, client):
    """The median of some readings: the allocator gives back some tens of megabytes now and then."""
    used = []
    for seed in range(20):
        run = client.run(quick_file(seed=1000 + seed, filename_prefix="video/row"))
        assert run.status == "success", run.error
        used.append(host.memory())
    assert median(used[14:]) - median(used[2:8]) < FLAT, [value // 2**20 for value in used]
