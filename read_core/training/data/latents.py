"""Training data of A2V-DiT: videos as latents of the finished VAE, speech as codes of the finished SpeechAE.

A file has, in float16: ``latents`` (C, L, h, w) of the whole video, normalized; ``references`` (R, C, h, w),
single frames encoded as portraits, the first is frame 0; ``codes`` (L, h_w, d_A), code i for latent i;
``eyes`` (h, w), the mean share of each place covered by the boxes of the eyes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from ...checkpoint import load_model
from ...corpus.video_file import ClipFile
from ...errors import ReadError
from ...limits import WINDOW
from ...speech import SpeechAE, WhisperFeatures, encode_speech_codes, load_whisper_encoder
from ...video import TemporalVAE
from ...weights.fingerprint import fingerprint
from ..config import ConfigError
from ..processes import processes

REFERENCES = 4


@dataclass(frozen=True)
class Encoders:
    """Folders of the finished components."""

    vae: Path
    whisper: Path
    speech_ae: Path

    def fingerprint(self) -> str:
        """See :func:`read_core.weights.fingerprint.fingerprint`."""
        return fingerprint([self.vae, self.whisper, self.speech_ae])


def encode_clips(
    files: Sequence[ClipFile], folder: Path, encoders: Encoders, device: torch.device
) -> list[Path]:
    """Encode videos missing in ``folder``; return the files of latents, in the order of ``files``.

    If several processes train together, each encodes a share of the videos.

    Raises:
        ReadError: the folder has latents of other encoders.
    """

    def prepare() -> Callable[[ClipFile], dict[str, Tensor]]:
        vae = TemporalVAE(load_model("vae", encoders.vae).to(device))
        features = WhisperFeatures(load_whisper_encoder(encoders.whisper)).to(device)
        speech_ae = SpeechAE.from_pretrained(encoders.speech_ae, local_files_only=True).to(device).eval()
        return lambda file: _encode(file, vae, features, speech_ae)

    return encode_missing(files, folder, encoders.fingerprint(), prepare)


def encode_missing(
    files: Sequence[ClipFile],
    folder: Path,
    stamp: str,
    prepare: Callable[[], Callable[[ClipFile], dict[str, Tensor]]],
) -> list[Path]:
    """Write ``folder/<split>/<name>`` for the videos without one, or with one older than the video.

    Floats are stored in float16. Returns all of the files.

    Args:
        stamp: the fingerprint of the models that make them.
        prepare: called if anything is missing: loads the models and returns the function that makes the
            tensors of one video.

    Raises:
        ReadError: the folder has another stamp.
    """
    everyone = processes()
    with everyone.main_process_first():
        _stamp(folder, stamp)
    targets = [folder / file.path.parent.name / file.path.name for file in files]
    share = list(zip(files, targets, strict=True))[everyone.process_index :: everyone.num_processes]
    missing = [(file, target) for file, target in share if not _is_current(target, file.path)]
    if missing:
        encode = prepare()
        for file, target in tqdm(missing, desc=f"encoding {folder}", disable=not everyone.is_main_process):
            target.parent.mkdir(exist_ok=True)
            temporary = target.with_suffix(".tmp")
            with torch.no_grad():
                made = encode(file)
            save_file({name: _stored(value) for name, value in made.items()}, temporary)
            temporary.rename(target)
    everyone.wait_for_everyone()
    return targets


def _is_current(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime_ns >= source.stat().st_mtime_ns


def _stored(value: Tensor) -> Tensor:
    return (value.to(torch.float16) if value.is_floating_point() else value).cpu().contiguous()


def _stamp(folder: Path, fingerprint: str) -> None:
    """Store the fingerprint of the encoders in ``folder``, or compare it with the stored one."""
    stamp = folder / "encoders.json"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps({"sha256": fingerprint}) + "\n")
    elif json.loads(stamp.read_text())["sha256"] != fingerprint:
        raise ReadError(
            f"{folder}: made by other encoders or with other settings; delete the folder to make it again"
        )


def _encode(
    file: ClipFile, vae: TemporalVAE, features: WhisperFeatures, speech_ae: SpeechAE
) -> dict[str, Tensor]:
    frames, _ = file.read(0, file.whole_frames)
    device = vae.vae.device
    video = frames.to(device).float()[None] / 255
    latents = vae.encode(video)[0]
    chosen = [i * (len(frames) - 1) // (REFERENCES - 1) for i in range(REFERENCES)]
    references = vae.encode(video[0, chosen][:, None])[:, :, 0]
    count = latents.shape[1]
    waveform = file.waveform().to(device)
    # Make one more code than is kept: codes in inference never see the end of the features.
    codes = encode_speech_codes(features, speech_ae, waveform, count)[0, :count]
    boxes = file.eyes(0, file.whole_frames)
    eyes = covered(boxes, (frames.shape[1], frames.shape[2]), (latents.shape[2], latents.shape[3]))
    return {"latents": latents, "references": references, "codes": codes, "eyes": eyes}


def covered(boxes: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """The share of each cell that boxes cover, mean over frames: (F, K, 4) -> ``grid``.

    Args:
        boxes: x0, y0, x1, y1 in pixels; those of a frame do not overlap.
        size: height and width of the picture.
        grid: rows and columns of equal cells.
    """
    shares = []
    for count, length, low, high in (
        (grid[0], size[0], boxes[..., 1], boxes[..., 3]),
        (grid[1], size[1], boxes[..., 0], boxes[..., 2]),
    ):
        edges = torch.arange(count + 1) * (length / count)
        overlap = torch.minimum(high[..., None], edges[1:]) - torch.maximum(low[..., None], edges[:-1])
        shares.append(overlap.clamp(min=0) / (length / count))
    return torch.einsum("fkh,fkw->fhw", *shares).mean(0)


class WindowDataset(Dataset[dict[str, Tensor]]):
    """Training windows of f latents, held in memory; sample i is a function of (seed, i).

    A sample is {"latents": (C, 1 + f, h, w) with z_R first, "speech": (f, h_w, d_A), "continuation": (),
    "eyes": (h, w)}. A window starts its video, and z_R is frame 0; or both are anywhere in the video.

    Args:
        windows: latents per window, z_R included; each step draws one length.
        step: samples per step.
        start_share: share of the windows that start their video.

    Raises:
        ConfigError: a window is longer than the shortest video.
    """

    def __init__(
        self, files: Sequence[Path], windows: tuple[int, ...], step: int, start_share: float, seed: int
    ) -> None:
        self.windows, self.step, self.start_share, self.seed = windows, step, start_share, seed
        self.items: Sequence[dict[str, Tensor]] = [load_file(file) for file in files]
        self.check_windows(min(item["latents"].shape[1] for item in self.items))

    def check_windows(self, shortest: int) -> None:
        """Raise ConfigError if a window is longer than ``shortest`` latents."""
        windows = self.windows
        if not windows or min(windows) < WINDOW.least or max(windows) > shortest:
            raise ConfigError(
                f"windows are {list(windows)}; expected {WINDOW.least} to {shortest}, the length of the "
                "shortest video"
            )

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        group = torch.Generator().manual_seed(self.seed * 7_919 + index // self.step)
        f = self.windows[int(torch.randint(len(self.windows), (), generator=group))] - 1
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        video = _draw(len(self.items), generator)
        latents, references = self.items[video]["latents"], self.items[video]["references"]
        starts = bool(torch.rand((), generator=generator) < self.start_share)
        first = 1 if starts else 1 + _draw(latents.shape[1] - f, generator)
        reference = references[0 if starts else _draw(len(references), generator)]
        window = torch.cat([reference[:, None], latents[:, first : first + f]], dim=1)
        return {
            "latents": window.float(),
            "speech": self.speech(video, first, f),
            "continuation": torch.tensor(not starts),
            "eyes": self.items[video].get("eyes", torch.zeros(latents.shape[2:])).float(),
            **self.more(video),
        }

    def more(self, _video: int) -> dict[str, Tensor]:
        """Further entries of the samples of a video."""
        return {}

    def speech(self, video: int, first: int, count: int) -> Tensor:
        """Speech condition of the latents ``first`` .. ``first + count - 1``: their codes."""
        return self.items[video]["codes"][first : first + count].float()


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))
