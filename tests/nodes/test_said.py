"""What nodes refuse and tell, beyond what a prompt can send them."""

import json
import re

import pytest

from .host import run_in_host
from .prompts import own_defaults, own_scales

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


@pytest.fixture(scope="module")
def found(installation):
    return json.loads(run_in_host(installation, "said.py"))


@pytest.fixture(scope="module")
def said(found):
    return found["said"]


IMAGES = {
    "none": "there is nothing",
    "bytes": r"uint8; expected floating point, 0\.\.1",
    "no batch": r"shape is \(64, 64, 3\)",
    "empty": "it is empty; expected one picture or more",
    "a path": "a str; expected IMAGE",
}
SOUNDS = {
    "none": "no sound",
    "no keys": "holds nothing; expected AUDIO with waveform and sample_rate",
    "no rate": "holds waveform; expected AUDIO with waveform and sample_rate",
    "a path": "holds 'speech.wav'; expected AUDIO",
    "integers": "int16; expected a floating point tensor",
    "a list": "list; expected a floating point tensor",
}


def holes():
    for what, where in {
        "reference": "image",
        "file": "image",
        "detail": "images",
        "paste": "images",
        "original": "image",
        "check": "images",
    }.items():
        yield from ((f"{what}, {name}", where, words) for name, words in IMAGES.items())
    for what in ("speech", "sound of the file", "sound to check"):
        yield from ((f"{what}, {name}", "audio", words) for name, words in SOUNDS.items())
    yield "latent, nothing", "latent", "holds nothing; expected the samples of one video"
    yield "latent, none", "latent", "holds nothing"
    yield "latent, nested", "latent", "a NestedTensor; expected the samples of one video"
    yield "prefix", "filename_prefix", r"holds '\\x00'; expected text"
    yield "line", "filename_prefix", r"holds '\\n'; expected text"
    for name in ("parent", "absolute"):
        yield f"prefix, {name}", "filename_prefix", "expected a name within the output folder"
    yield "width", "width and height", "size is 32 x 128.*from 64 to 2048"
    yield "index of one", "image", "index is 3, but the batch has 1 image; expected 0$"


def scales(kind):
    return " ".join(f"{value:g}" for value in own_scales(kind).values())


@pytest.mark.parametrize(("hole", "where", "words"), list(holes()))
def test_each_hole_gives_one_clear_message(found, hole, where, words):
    told = found["holes"][hole]
    assert told["type"] == "InputError", told
    assert re.match(rf"{where}\b.*{words}", told["text"]), told


def test_sound_of_any_floating_type_is_handed_on_as_float32(said):
    assert said["half"] == said["double"] == "torch.float32"


def test_the_numbers_that_0_means_are_told_before_and_after(said):
    own = own_defaults()
    for told in said["defaults"]:
        kind = own["guidance"]["kind"]
        assert told.startswith(
            f"steps {own['steps']}, window {own['window']}, {kind} {scales(kind)}, 64 x 64."
        )
    assert said["reference"].startswith("128 x 128 pixels.")


def test_scales_of_the_checkpoint_and_scales_given_are_told(said):
    for kind in ("split", "joint"):
        told = said[f"{kind} (checkpoint's)"][-1]
        assert told.startswith(f"steps 3, window 3, {kind} {scales(kind)},")
    assert said["zeros"][-1].startswith("steps 1, window 3, split 0 0,")


def test_too_few_steps_for_the_checkpoint_are_remarked_upon(said):
    assert "steps is 1, but read-tiny needs 3 or more" in said["sampled"][-1]
    assert "needs 3 or more" not in said["split (checkpoint's)"][-1]


def test_numbers_agree_with_their_nouns_and_nothing_takes_0_s(said):
    for told in (text for texts in said.values() if isinstance(texts, list) for text in texts):
        assert not re.search(r"\b1 (frames|clips|images)\b|about 0 s", told), told


def test_the_latent_says_how_long_the_speech_is(said):
    assert said["decoded"]["frames"] == said["speech"] == 13
    assert said["decoded"]["text"] == "13 frames, 0.52 s, 64 x 64."


@pytest.mark.parametrize("kind", ["bare", "joined", "trimmed"])
def test_where_it_does_not_or_no_longer_all_frames_are_kept_and_that_is_told(said, kind):
    length = {"bare": said["latents"], "joined": 2 * said["latents"], "trimmed": said["latents"] - 1}[kind]
    assert said[kind]["frames"] == 8 * length - 7
    assert "All frames are kept" in said[kind]["text"]
    assert "connect frames of READ Whisper + SpeechAE Encode" in said[kind]["text"]
    assert ("cut or joined" in said[kind]["text"]) == (kind != "bare")


def test_the_number_of_frames_can_be_given(said):
    for kind in ("bare, told", "joined, told"):
        assert said[kind] == {"frames": 13, "text": "13 frames, 0.52 s, 64 x 64."}
    assert said["too many"]["type"] == "InputError"
    assert re.match(r"latent: 1000 frames are wanted; .* 1 to", said["too many"]["text"])


def test_a_gigabyte_is_a_thousand_million_bytes_as_in_the_documents(found):
    assert "2.50 GB" in found["numbers"]["estimate"]
    assert "need 3145.73 GB of memory" in found["numbers"]["room"]


def test_it_says_by_how_much_a_face_was_turned(found):
    assert "turned upright by 20 degrees" in found["numbers"]["tilted"]
    assert "turned" not in found["numbers"]["upright"]


def test_a_name_that_stays_in_the_folder_is_accepted(found):
    assert found["inside"] == [None] * 4


def test_names_of_files_are_filled_in_as_the_page_does_for_core_s_nodes(found):
    assert found["names"] == {
        "%date:yyyy-MM-dd%": "2026-03-04",
        "v/%date:yy.M.d%_%date:hhmmss%": "v/26.3.4_150607",
        "%date:h-m-s%": "15-6-7",
        "%Mine.seed%_%KSampler.seed%": "5_5",
        "%LoadImage.image%": "a_b_c.png",
        "%Mine.model%": "%Mine.model%",
        "%Nobody.seed%": "%Nobody.seed%",
        "%year%-%width% 100% sure": "%year%-%width% 100% sure",
    }
