"""How the pack behaves in a host: what it shows, what it costs, what it leaves behind."""

import ast
import json
import re
import shutil

import pytest

from read_core.limits import OUTPUT_SIZE

from .conftest import BUNDLED
from .host import PACK, ROOT, prepare_base, run_in_host, running
from .prompts import quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
NODES = {
    "READ_LoadModels",
    "READ_ExampleInputs",
    "READ_EncodeSpeech",
    "READ_EncodeReference",
    "READ_ANSSampler",
    "READ_Decode",
    "READ_RestoreDetail",
    "READ_PasteBack",
    "READ_TalkingHeadToFile",
    "READ_Check",
    "READ_SavePrompt",
}


def test_the_host_shows_the_nodes_and_every_widget_explains_itself(client):
    shown = client.get("/object_info")
    ours = {name: info for name, info in shown.items() if name.startswith("READ_")}
    assert set(ours) == NODES
    for name, info in ours.items():
        assert info["category"] == "READ"
        for group in info["input"].values():
            for widget, (_, *options) in group.items():
                if group is not info["input"].get("hidden"):
                    assert options[0].get("tooltip"), f"{name}.{widget}"


def test_names_begin_with_the_pack_s(client):
    shown = client.get("/object_info")
    names = {name: info["display_name"] for name, info in shown.items() if name.startswith("READ_")}
    assert [name for name in names.values() if not re.match("(Load )?READ ", name)] == []


def test_what_is_seldom_changed_is_folded_away(client):
    info = client.get("/object_info/READ_TalkingHeadToFile")["READ_TalkingHeadToFile"]
    offered = info["input"]["optional"]
    assert {name for name, (_, options) in offered.items() if options.get("advanced")} == {
        "index",
        "crf",
        "fps",
        "save",
        "live",
    }


def test_english_texts_of_the_page_are_the_nodes_own(client):
    """``locales/en`` against what the host itself says, dots in names as the page has them."""

    def texts(inputs):
        found = {}
        for group in ("required", "optional"):
            for name, (_, *options) in inputs.get(group, {}).items():
                found[name] = options[0]["tooltip"]
                for option in options[0].get("options", []):
                    if isinstance(option, dict):
                        found |= {f"{name}_{child}": text for child, text in texts(option["inputs"]).items()}
        return found

    shown, english = client.get("/object_info"), client.get("/i18n")["en"]["nodeDefs"]
    for name in NODES:
        node, said = shown[name], english[name]
        assert (said["display_name"], said["description"]) == (node["display_name"], node["description"])
        assert {key: value["tooltip"] for key, value in said["inputs"].items()} == texts(node["input"])
        outputs = [(value["name"], value["tooltip"]) for value in said["outputs"].values()]
        assert outputs == list(zip(node["output_name"], node["output_tooltips"], strict=True))


def test_the_longest_side_of_a_result_has_one_name_and_one_limit(client):
    shown = client.get("/object_info")
    found = [
        shown[node]["input"][group][widget][1]
        for node, group, widget in (
            ("READ_RestoreDetail", "required", "size"),
            ("READ_PasteBack", "required", "max_side"),
            ("READ_TalkingHeadToFile", "optional", "output_size"),
        )
    ]
    assert [options["max"] for options in found] == 3 * [OUTPUT_SIZE.largest]
    assert [options.get("display_name") or "output_size" for options in found] == 3 * ["output_size"]
    assert all(options["display_name"] for options in found[:2])


def test_host_hands_out_every_language(client):
    handed = client.get("/i18n")
    for language in ("fr", "ja", "ko", "ru", "zh"):
        assert not NODES - set(handed[language]["nodeDefs"])


@pytest.mark.parametrize("words", ["lip sync", "talking head", "avatar", "audio to video"])
def test_users_find_nodes_by_what_they_want(client, words):
    """By other names where the host takes them, and by the description everywhere."""
    shown = client.get("/object_info")
    ours = {name: info for name, info in shown.items() if name.startswith("READ_")}
    said = {name for name, info in ours.items() if words in info["description"]}
    assert "READ_TalkingHeadToFile" in said
    assert len(said) > 1
    named = {name: info.get("search_aliases") for name, info in ours.items()}
    if any("search_aliases" in info for info in shown.values()):
        assert all(named.values())
        assert {"READ_TalkingHeadToFile", "READ_LoadModels"} <= {
            n for n, known in named.items() if words in known
        }
        assert ours["READ_TalkingHeadToFile"]["essentials_category"]


def test_the_bundled_checkpoint_is_offered(client):
    (options, *_) = client.get("/object_info/READ_LoadModels")["READ_LoadModels"]["input"]["required"][
        "checkpoint"
    ]
    assert "read-tiny" in (options if isinstance(options, list) else _[0]["options"])


def test_the_host_reports_that_the_pack_was_imported(host):
    found = re.search(rf"[\d.]+ seconds(.*): .*{PACK}", host.log)
    assert found is not None
    assert "FAILED" not in found[1]


def test_importing_the_pack_loads_no_model_library(installation):
    found = json.loads(run_in_host(installation, "imported_modules.py"))
    heavy = {"diffusers", "transformers", "torchaudio", "accelerate", "matplotlib", "av", "scipy"}
    assert not heavy & set(found)


def test_extra_model_paths_are_honored(installation, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(BUNDLED, elsewhere / "heads" / "from-elsewhere")
    config = tmp_path / "paths.yaml"
    config.write_text(f"mine:\n  base_path: {elsewhere}\n  read: heads\n")
    base = tmp_path / "base"
    prepare_base(base)
    with running(installation, base, "--extra-model-paths-config", str(config)) as host:
        run = host.client.run(quick(checkpoint="from-elsewhere"))
        assert run.status == "success", run.error


def test_files_go_to_the_output_and_temp_folders_only(installation, tmp_path):
    """A host with an empty home folder; of its own it writes its settings, its database and its log."""
    base, home = tmp_path / "base", tmp_path / "home"
    prepare_base(base)
    home.mkdir()
    with running(installation, base, environment={"HOME": str(home)}) as host:
        before = files_of(base)
        prompt = quick_file(audio="speech.flac", filename_prefix="video/written")
        prompt |= {f"1{number}": linked(node) for number, node in quick().items()}
        run = host.client.run(prompt)
        assert run.status == "success", run.error
        written = files_of(base) - before
    allowed = ("output/", "temp/", "user/", "comfyui.db", "host.log")
    assert any(name.startswith("output/video/written") for name in written)
    assert [name for name in written if not name.startswith(allowed)] == []
    assert files_of(home) == set()


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def linked(node):
    """A node of a prompt whose numbers have a 1 in front."""
    inputs = {
        name: [f"1{value[0]}", value[1]] if isinstance(value, list) else value
        for name, value in node["inputs"].items()
    }
    return node | {"inputs": inputs}


def test_node_bodies_are_short():
    bodies = {}
    for file in (ROOT / "nodes").glob("*.py"):
        for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(found, ast.FunctionDef) and found.name == "execute":
                bodies[file.name, found.lineno] = (found.end_lineno or 0) - found.body[0].lineno + 1
    assert len(bodies) == len(NODES)
    assert max(bodies.values()) <= 25, bodies
