"""The route that plays a video while it is written serves only files of jobs under way."""

import urllib.error
import urllib.request

import pytest

from .prompts import quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def status_of(client, path):
    try:
        with urllib.request.urlopen(f"http://{client.address}{path}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


@pytest.mark.parametrize("word", ["none", "..%2F..%2Fetc%2Fpasswd", ""])
def test_a_foreign_word_gets_nothing(client, word):
    assert status_of(client, f"/read/live/{word}?from=0")[0] == 404


def test_the_page_gets_a_word_for_the_file_that_grows_and_no_other_time(client):
    """What is served is the beginning of an MP4; after the job the word gives nothing."""
    words, answers = [], []

    def watch(kind, data):
        if kind == "read.live":
            words.append(data)
        elif kind == "progress" and words:
            answers.append(status_of(client, f"/read/live/{words[0]['token']}?from=0"))

    prompt = quick_file(seed=61)
    prompt["4"]["inputs"] |= {"live": True}
    assert client.run(prompt, watch).status == "success"
    assert [data["node"] for data in words] == ["4"]
    assert answers
    assert all(body[4:8] == b"ftyp" for code, body in answers if code == 200 and body)
    assert status_of(client, f"/read/live/{words[0]['token']}?from=0") == (204, b"")


def test_without_the_widget_nothing_is_told(client):
    prompt = quick_file(seed=62)
    prompt["4"]["inputs"] |= {"live": False}
    assert client.run(prompt).data("read.live") == []
