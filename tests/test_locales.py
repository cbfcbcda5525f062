"""What the page says of the nodes, in every language (locales/)."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from make_locales import LANGUAGES

ROOT = Path(__file__).parents[1]
SYNTAX = re.compile(r"[{}@|]")  # the page reads more than a text in these
KEPT = re.compile(
    r"%[^% ,]+%|%Node title\.widget%|\b(?:models/\w+|model_index\.json|read-tiny|float32|native|fp8|"
    r"safetensors|T5|LTX-Video|MP4|GPU|READ|ANS|VAE|Whisper|SpeechAE|A2V-DiT|LoRA|CLIPTextEncode|wavefront|stretch)\b"
)
NUMBER = re.compile(r"-?\d+")


def texts(language):
    """Key -> text."""
    found = {}

    def collect(value, key):
        if isinstance(value, dict):
            for name, inner in value.items():
                collect(inner, (*key, name))
        else:
            found[key] = value

    collect(json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8")), ())
    return found


def test_files_are_what_the_script_makes_and_no_language_lacks_a_text():
    command = [sys.executable, str(ROOT / "scripts" / "make_locales.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_there_is_no_folder_of_another_language():
    assert {path.name for path in (ROOT / "locales").iterdir()} == {"en", *LANGUAGES}


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_no_text_is_empty_or_holds_signs_that_the_page_reads_otherwise(language):
    for key, text in texts(language).items():
        assert text.strip() == text != "", key
        assert not SYNTAX.search(text), key


@pytest.mark.parametrize("language", LANGUAGES)
class TestTranslation:
    def test_descriptions_and_tooltips_are_translated(self, language):
        english = texts("en")
        same = [key for key, text in texts(language).items() if key[-1] != "name" and text == english[key]]
        assert same == []

    def test_numbers_are_those_of_the_english_text(self, language):
        """A ``1`` may be added: not every language can leave it out."""
        english = texts("en")
        for key, text in texts(language).items():
            wanted, found = (Counter(NUMBER.findall(t.replace("–", "-"))) for t in (english[key], text))
            found_only = found - wanted
            assert not wanted - found, key
            assert set(found_only) <= {"1"}, key

    def test_technical_names_and_options_stay(self, language):
        english = texts("en")
        for key, text in texts(language).items():
            if key[-1] != "name":
                lost = [word for word in KEPT.findall(english[key]) if word not in text]
                assert lost == [], key

    def test_an_input_has_one_name_in_all_nodes(self, language):
        english = texts("en")
        names: dict[str, set[str]] = {}
        for key, text in texts(language).items():
            if key[-1] == "name":
                names.setdefault(english[key], set()).add(text)
        assert {name: found for name, found in names.items() if len(found) > 1} == {}

    def test_inputs_and_outputs_of_a_node_have_different_names(self, language):
        names = Counter(
            (*key[:2], text) for key, text in texts(language).items() if key[1:2] and key[-1] == "name"
        )
        assert [key for key, count in names.items() if count > 1] == []

    def test_nodes_are_called_in_tooltips_by_their_names(self, language):
        """As ``From READ Encode Reference``: the tooltip holds the node's name in the same language."""
        english, translated = texts("en"), texts(language)
        called = {english[key]: translated[key] for key in english if key[-1] == "display_name"}
        for key, text in english.items():
            for name, own in called.items():
                if key[-1] == "tooltip" and name in text:
                    assert own in translated[key], key
