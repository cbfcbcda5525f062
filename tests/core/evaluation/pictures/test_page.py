"""The page of a comparison: relative addresses, and in a browser videos that load and play after a move."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch

from read_core.evaluation.pictures.page import save_page
from read_core.evaluation.tables.report import Report
from read_core.media import VideoWriter, waveform_track

PLAYED = """videos => Promise.all(videos.map(video => new Promise((done, failed) => {
    video.muted = true;
    video.onerror = () => failed(video.src + ": " + video.error.message);
    video.ontimeupdate = () => {
        if (video.currentTime > 0.2) { video.pause(); done([video.videoWidth, video.duration]); }
    };
    video.play().catch(failed);
})))"""


@pytest.fixture
def folder(tmp_path):
    """A page beside a folder of videos; two have a real one at their side."""
    sides: dict[str, dict[str, Path]] = {}
    for brightness, side in ((0.2, "made & new"), (0.7, "real")):
        sides[side] = {}
        for name in ("a #1", "sub/b"):
            path = tmp_path / "out" / side / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            sound = waveform_track(torch.zeros(25 * 640) + 0.01, 16_000)
            with VideoWriter(path, (48, 64), sound) as video:
                video.write(torch.full((25, 48, 64, 3), brightness))
            sides[side][name] = path
    report = Report("Some <videos>", {"seed": 0})
    report.add("Table", ("videos", "r"), [("all", 0.5)], "a note")
    save_page(tmp_path / "out/page.html", report, sides)
    return tmp_path


def test_all_addresses_are_relative_and_lead_to_the_videos(folder):
    page = (folder / "out/page.html").read_text()
    addresses = [unquote(part.split('"')[0]) for part in page.split('src="')[1:]]
    assert addresses == ["made & new/a #1.mp4", "real/a #1.mp4", "made & new/sub/b.mp4", "real/sub/b.mp4"]
    assert all((folder / "out" / address).is_file() for address in addresses)
    assert "http" not in page
    assert "Some &lt;videos&gt;" in page


@pytest.mark.slow
def test_the_videos_play_in_a_browser_after_the_folder_is_moved(folder):
    pytest.importorskip("playwright", reason="no playwright: pip install -e '.[browser]'")
    from comfy_page import chromium

    shutil.move(folder / "out", folder / "moved")
    opened = chromium()
    try:
        browser = opened.__enter__()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    try:
        page = browser.new_page()
        page.goto((folder / "moved/page.html").as_uri())
        codec = 'video/mp4; codecs="avc1.640028, mp4a.40.2"'
        if not page.evaluate("codec => document.createElement('video').canPlayType(codec)", codec):
            pytest.skip("this Chromium cannot decode H.264")
        found = page.eval_on_selector_all("video", PLAYED)
        assert found == [[64, pytest.approx(1.0, abs=0.1)]] * 4
        page.click("button >> nth=0")
        page.wait_for_function(
            "[...document.querySelectorAll('section')[0].querySelectorAll('video')]"
            ".every(video => !video.paused || video.ended)"
        )
        muted = page.eval_on_selector_all(
            "section:first-of-type video", "all => all.map(video => video.muted)"
        )
        assert muted == [False, True]
    finally:
        opened.__exit__(None, None, None)
