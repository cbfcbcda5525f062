"""Published metrics of videos whose relation is known, with the real networks at random weights."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from read_core.cli import main as cli
from read_core.errors import MediaError
from read_core.evaluation import measures
from read_core.evaluation.comparison import Comparison, Measured, ReadFace, Tools
from read_core.evaluation.material.video_files import find_videos
from read_core.evaluation.measures import METRICS as METRICS_THERE
from read_core.evaluation.metrics import fvd
from read_core.evaluation.metrics.face import FaceTracks
from read_core.evaluation.networks.files import FILES
from read_core.evaluation.networks.i3d import I3D
from read_core.evaluation.networks.inception import FEATURES, FidInception
from read_core.evaluation.networks.recon import FaceReconstruction
from read_core.evaluation.networks.syncnet import SyncNet
from read_core.evaluation.videos_command import METRICS, WITH_NETWORK
from read_core.media import VideoWriter, read_image, waveform_track
from read_core.media.frames import FrameReader

PHOTO = Path(__file__).parents[4] / "assets" / "photo.jpg"
NETWORKS = {"fid": FidInception, "fvd": I3D, "sync": SyncNet, "efid": FaceReconstruction}
CLIP = 9  # frames, the fewest of I3D
FRAMES = 13  # the fewest of SyncNet's crop


def write(path, shift, sound=True):
    """A face that moves to the right, with noise."""
    picture = F.interpolate(read_image(PHOTO).permute(2, 0, 1)[None], (128, 128), mode="area")
    frames = [picture[0].roll(shift + index // 4, 2).permute(1, 2, 0) for index in range(FRAMES)]
    noise = torch.randn(FRAMES * 640, generator=torch.Generator().manual_seed(shift)) * 0.1
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, (128, 128), waveform_track(noise, 16_000) if sound else None) as video:
        video.write(torch.stack(frames))


@pytest.fixture
def folders(tmp_path):
    """Real videos and the same as generated ones, but one of these has no sound; and no weights."""
    for number, name in enumerate(("a & b", "sub/c")):
        write(tmp_path / "real" / f"{name}.mp4", number)
    shutil.copytree(tmp_path / "real", tmp_path / "generated")
    (tmp_path / "generated/sub/c.mp4").unlink()
    write(tmp_path / "generated/sub/c.mp4", 1, sound=False)
    return tmp_path


@pytest.fixture
def weights(folders):
    """Files of all networks at random weights."""
    (folders / "weights").mkdir()
    torch.manual_seed(0)
    for metric, kind in NETWORKS.items():
        state, within = kind().state_dict(), FILES[metric].within
        torch.save({within: state} if within else state, folders / "weights" / FILES[metric].names[0])


def command(folder, metrics):
    names = {"generated": "generated", "reference": "real", "weights": "weights", "out": "out"}
    options = [text for option, name in names.items() for text in (f"--{option}", str(folder / name))]
    return ["evaluate", "videos", *options, "--metrics", metrics, "--device", "cpu"]


def tables_of(report):
    """The rows of each table by its title and their first cell."""
    return {table["title"]: {row[0]: row[1:] for row in table["rows"]} for table in report["tables"]}


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_equal_pictures_are_at_no_distance_and_silent_videos_are_left_out(folders, capsys, monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.setattr(fvd, "FRAMES", CLIP)
    assert tuple(METRICS_THERE) == METRICS
    assert set(FILES) == set(WITH_NETWORK)
    assert cli.main(command(folders, ",".join(WITH_NETWORK))) == 0
    printed = capsys.readouterr()
    assert "every frame of every video" in printed.out
    assert "left out" in printed.err
    tables = tables_of(json.loads((folders / "out/videos.json").read_text()))
    assert tables["FID"]["all videos"] == [pytest.approx(0, abs=1e-6), 2 * FRAMES, 2 * FRAMES]
    assert tables["FVD"]["all videos"] == [pytest.approx(0, abs=1e-6), 2, 2]
    assert tables["E-FID"]["all videos"] == [pytest.approx(0, abs=1e-6), 2 * FRAMES, 2 * FRAMES]
    assert tables["Sync"]["generated a & b"] == tables["Sync"]["real a & b"]
    assert tables["Sync"]["generated a & b"][3] == FRAMES - 5
    assert set(tables["Left out"]) == {"generated sub/c"}
    lines = list(csv.DictReader((folders / "out/videos.csv").open()))
    assert {"table": "FVD", "row": "all videos", "column": "clips", "value": "2"} in lines
    page = (folders / "out/videos.html").read_text()
    assert page.count("<video ") == 4
    addresses = [unquote(part.split('"')[0]) for part in page.split('src="')[1:]]
    assert all((folders / "out" / address).resolve().is_file() for address in addresses)
    assert "a &amp; b" in page
    assert "read-core evaluate videos --generated generated --reference real" in printed.out


def test_our_own_metrics_of_a_copy_need_no_weights(folders, capsys):
    """The copy is at no distance from its real video; it has half of the runtimes, and no clips are known."""
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    (folders / "generated/a & b.runtime.json").write_text('{"backbone_seconds": 1, "total_seconds": 2.6}')
    shutil.copy(folders / "real/a & b.mp4", folders / "generated/other.mp4")
    given = command(folders, "")
    cut = given.index("--weights")
    given = [*given[:cut], *given[cut + 2 :]]
    at = given.index("--metrics")
    assert cli.main([*given[:at], *given[at + 2 :]]) == 0
    printed = capsys.readouterr()
    tables = tables_of(json.loads((folders / "out/videos.json").read_text()))
    assert tables["Runtime"] == {
        name: [1, 2.6, FRAMES / 25, pytest.approx(5)] for name in ("generated, mean of 1", "generated a & b")
    }
    assert tables["Mouth"]["generated a & b"][3:] == [0, pytest.approx(1)]
    assert tables["Mouth"]["generated a & b"][0] == pytest.approx(1)
    own, other, recognized, likeness = tables["Identity"]["generated a & b"]
    assert (own, recognized, likeness) == (0, 1, pytest.approx(1))
    assert other > 0
    assert tables["Color"]["generated a & b"] == tables["Color"]["real a & b"]
    assert tables["Color"]["generated a & b"][2:] == [0, 0]
    assert "Seams" in tables
    reasons = [row[:2] for row in read_left_out(folders)]
    assert ["generated sub/c", "runtime"] in reasons
    assert ["generated a & b", "seams"] in reasons
    assert ["generated other", "mouth"] in reasons
    assert "128 x 128" in printed.out  # which crop is seen

    assert cli.main([*command(folders, "seams"), "--clip-frames", "4,4"]) == 0
    tables = tables_of(json.loads((folders / "out/videos.json").read_text()))
    assert tables["Seams"]["generated a & b"] == tables["Seams"]["real a & b"]
    # The picture moves a pixel after every fourth frame, and stands still in between.
    clips, elsewhere, _, count = tables["Seams"]["generated a & b"]
    assert count == 3
    assert clips > elsewhere
    assert Image.open(folders / "out/seams.png").width > 300
    assert 'src="seams.png"' in (folders / "out/videos.html").read_text()


@pytest.mark.parametrize(("people", "nearest", "found"), [({}, 1, 0), ({"a1": "a", "a2": "a"}, 9, 1)])
def test_a_face_is_sought_among_other_people(people, nearest, found):
    """Two videos of one person are not told apart: the gray of the generated face is nearer to the second."""
    tools = Tools(None, torch.device("cpu"), lambda _: None)
    real = {name: Path(f"real/{name}.mp4") for name in ("a1", "a2", "b")}
    generated = {"a1": Path("generated/a1.mp4")}
    grays = dict(zip((*real.values(), *generated.values()), (10, 13, 21, 12), strict=True))
    for path, gray in grays.items():
        face = ReadFace(FaceTracks(*[torch.empty(0)] * 3), torch.full((3, 32, 32), gray / 255))
        tools.once("face", path, lambda: face)  # noqa: B023
    work = Comparison(generated, real, tools, people=people)
    figures = METRICS_THERE["identity"].measure(work).generated["a1"]
    assert (figures.own, figures.other) == pytest.approx((2, nearest), rel=1e-4)
    assert figures.recognized == found


def test_a_set_without_enough_clips_has_no_distance_and_the_report_can_still_be_written(folders):
    tools = Tools(None, torch.device("cpu"), lambda _: None)
    tools.once("network of fvd", None, torch.nn.Identity)
    work = Comparison(find_videos(folders / "generated"), find_videos(folders / "real"), tools)
    assert METRICS_THERE["fvd"].measure(work) == Measured()
    assert fvd.FRAMES > FRAMES
    reasons = {(one.side, one.name): one.reason for one in work.left_out}
    assert "fewer than 16 frames" in reasons["real", "a & b"]
    assert "needs 2 or more" in reasons["generated", "set"]


def test_a_video_that_cannot_be_read_to_its_end_does_not_count(folders, monkeypatch):
    """Not even with the frames before; every metric goes on with the others."""
    torch.manual_seed(0)
    tools = Tools(None, torch.device("cpu"), lambda _: None)
    stand_in = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, FEATURES))
    tools.once("network of fid", None, lambda: stand_in)
    (folders / "real" / "broken.mp4").write_bytes(b"no video")
    shutil.copy(folders / "real" / "a & b.mp4", folders / "real" / "ends early.mp4")
    frames_of = FrameReader._frames

    def frames(reader, container, stream):
        for number, frame in enumerate(frames_of(reader, container, stream)):
            if number == FRAMES - 1 and reader.path.stem == "ends early":
                raise MediaError(f"{reader.path} cannot be read to its end")
            yield frame

    monkeypatch.setattr(FrameReader, "_frames", frames)
    monkeypatch.setattr(measures, "_BATCH", 4)
    work = Comparison(find_videos(folders / "generated"), find_videos(folders / "real"), tools)
    found = METRICS_THERE["fid"].measure(work).whole
    assert found is not None
    assert (found.frames, found.real_frames) == (2 * FRAMES, 2 * FRAMES)
    assert {(one.side, one.name) for one in work.left_out} == {("real", "broken"), ("real", "ends early")}


def test_seams_of_a_pair_whose_real_video_is_broken(folders, capsys):
    pytest.importorskip("matplotlib")
    (folders / "real" / "a & b.mp4").write_bytes(b"no video")
    assert cli.main([*command(folders, "seams"), "--clip-frames", "4,4"]) == 0
    tables = tables_of(json.loads((folders / "out/videos.json").read_text()))
    assert {"generated a & b", "generated sub/c", "real sub/c"} <= tables["Seams"].keys()
    assert "real a & b" not in tables["Seams"]
    assert [row[:2] for row in read_left_out(folders)] == [["real a & b", "seams"]]
    assert (folders / "out/seams.png").is_file()  # of the other pair


def read_left_out(folder):
    report = json.loads((folder / "out/videos.json").read_text())
    return next(table["rows"] for table in report["tables"] if table["title"] == "Left out")


def test_what_is_missing_or_unknown_is_said_before_anything_is_measured(folders, capsys):
    (folders / "weights").mkdir()
    (folders / "weights" / FILES["fid"].names[0]).touch()
    assert cli.main(command(folders, "fid,sync")) == 2
    assert "syncnet_v2.model" in capsys.readouterr().err
    assert cli.main(command(folders, "fid,psnr")) == 2
    assert "psnr" in capsys.readouterr().err
    given = command(folders, "fid")
    given[given.index("--weights") : given.index("--weights") + 2] = []
    assert cli.main(given) == 2
    assert "--weights" in capsys.readouterr().err
    assert not (folders / "out").exists()
    shutil.copy(folders / "real/sub/c.mp4", folders / "real/sub/c.mov")
    assert cli.main(command(folders, "fid")) == 2
    assert "same name" in capsys.readouterr().err
