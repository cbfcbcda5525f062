"""scripts/api_prompts.py: changes inputs of the graphs that ship, and of those saved earlier."""

from typing import Any

import pytest
from api_prompts import Prompt, chosen, filled, read_prompt

from ..nodes.host import ROOT

PROMPT: Prompt = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "READ_ANSSampler", "inputs": {"seed": 3}, "_meta": {"title": "Mine"}},
    "3": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "x"}},
}
EXAMPLES = "READ_ExampleInputs"
SHIPPED = sorted(path.stem for path in (ROOT / "workflows" / "api").glob("*.json"))
SAVED = sorted(path.stem for path in (ROOT / "tests" / "workflows" / "saved" / "api").glob("*.json"))


class TestFilled:
    def test_replaces_files_and_seed_in_a_copy(self):
        made = filled(PROMPT, {"LoadImage": "b.png"}, 7)
        assert made["1"]["inputs"]["image"] == "b.png"
        assert made["2"]["inputs"]["seed"] == 7
        assert PROMPT["1"]["inputs"]["image"] == "a.png"

    @pytest.mark.parametrize("name", SHIPPED)
    def test_files_take_the_place_of_the_examples(self, name):
        before = read_prompt(ROOT / "workflows" / "api" / f"{name}.json")
        (examples,) = [number for number, node in before.items() if node["class_type"] == EXAMPLES]
        made = filled(before, {"LoadImage": "me.png", "LoadAudio": "talk.wav"})
        assert EXAMPLES not in {node["class_type"] for node in made.values()}
        used = {"LoadImage": 0, "LoadAudio": 0}
        for number, node in before.items():
            for key, link in node["inputs"].items():
                now: Any = made[number]["inputs"][key] if number != examples else None
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
        before = read_prompt(ROOT / "workflows" / "api" / f"{name}.json")
        assert filled(before, {}) == before
        made = filled(before, {"LoadAudio": "talk.wav"})
        (examples,) = [number for number, node in made.items() if node["class_type"] == EXAMPLES]
        links = [link for node in made.values() for link in node["inputs"].values() if isinstance(link, list)]
        assert [examples, 0] in links
        assert [examples, 1] not in links

    @pytest.mark.parametrize("name", SAVED)
    def test_graphs_of_before_load_the_files(self, name):
        path = ROOT / "tests" / "workflows" / "saved" / "api" / f"{name}.json"
        made = filled(read_prompt(path), {"LoadImage": "me.png", "LoadAudio": "talk.wav"})
        loaded = {node["class_type"]: node["inputs"] for node in made.values()}
        assert loaded["LoadImage"]["image"] == "me.png"
        assert loaded["LoadAudio"]["audio"] == "talk.wav"

    def test_blinks_and_head_motion_follow_the_seed(self):
        before = read_prompt(ROOT / "workflows" / "api" / "READ_talking_head.json")
        made = filled(before, {}, 7)
        found = {
            name: node["inputs"][name] for node in made.values() for name in node["inputs"] if "seed" in name
        }
        assert found == {"seed": 7, "blink_seed": 7}

    def test_keeps_the_seed_without_another(self):
        assert filled(PROMPT, {}) == PROMPT

    def test_takes_zero_for_a_seed(self):
        assert filled(PROMPT, {}, 0)["2"]["inputs"]["seed"] == 0


class TestChosen:
    def test_uploads_nothing_where_the_prompt_has_its_examples(self):
        prompt = {"1": {"class_type": EXAMPLES, "inputs": {"portrait": "drawn"}}}
        assert chosen(prompt, None, None) == {}

    def test_uploads_what_is_given_and_examples_for_prompts_that_load_files(self, tmp_path):
        found = chosen(PROMPT, None, tmp_path / "talk.wav")
        assert found == {"LoadImage": ROOT / "assets" / "portrait.png", "LoadAudio": tmp_path / "talk.wav"}


class TestReadPrompt:
    @pytest.mark.parametrize(
        "path", sorted((ROOT / "workflows" / "api").glob("*.json")), ids=lambda p: p.stem
    )
    def test_reads_the_shipped_ones(self, path):
        assert read_prompt(path)["1"]["class_type"] == "READ_LoadModels"

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
            read_prompt(file)
