"""Speech features S (eq. 5): all hidden states of a frozen Whisper encoder around each video frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import nn
from transformers import WhisperConfig, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ..errors import CheckpointError, InputError
from ..geometry import FEATURE_RATE, FEATURES_PER_FRAME, SAMPLES_PER_FEATURE, frames_of_samples
from ..weights.files import read_tensors, weight_files
from ..weights.strict import load_strict
from .log_mel import log_mel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

STEPS_BEFORE = 4
STEPS_PER_FRAME = 10
STEPS_AFTER = STEPS_PER_FRAME - STEPS_BEFORE - FEATURES_PER_FRAME
MARGIN_SHARE = 6


class WhisperFeatures(nn.Module):
    """Speech features of recordings of any length, from a Whisper encoder of any size (eq. 5).

    The encoder attends over a window: ``config.max_source_positions`` features at 50 per second, 30 s for the
    released models. Windows lie on a grid fixed from t = 0 for any length of the recording: window j starts
    at feature j * (window - 2 * margin). The first and the last ``margin`` features of each window are
    discarded (the first window keeps its beginning). So every feature belongs to exactly one window and
    depends only on the samples of that window. After the end of the recording there is silence.

    Args:
        encoder: a ``WhisperEncoder``, or a ``WhisperModel``, of which only the encoder is used.
        margin: seconds discarded at each side of a window; None: a sixth of the window, 5 s of 30 s.
    """

    def __init__(self, encoder: WhisperEncoder | WhisperModel, margin: float | None = None) -> None:
        super().__init__()
        self.encoder = encoder.encoder if isinstance(encoder, WhisperModel) else encoder
        self.encoder.eval().requires_grad_(False)
        self.window: int = self.encoder.config.max_source_positions
        self.margin = self.window // MARGIN_SHARE if margin is None else round(margin * FEATURE_RATE)
        if not 0 <= 2 * self.margin < self.window:
            raise InputError(
                f"margin is {self.margin / FEATURE_RATE:g} s; expected 0 to less than half of the encoder's "
                f"window of {self.window / FEATURE_RATE:g} s"
            )

    @property
    def speech_window(self) -> int:
        """H_w: 10 steps times all hidden states (the embedding's output and every layer's)."""
        return STEPS_PER_FRAME * (int(self.encoder.config.encoder_layers) + 1)

    @property
    def feature_dim(self) -> int:
        """D_A: the width of the encoder."""
        return int(self.encoder.config.d_model)

    def num_windows(self, num_frames: int) -> int:
        """Number of windows for ``num_frames`` video frames of speech."""
        beyond_first = FEATURES_PER_FRAME * num_frames - (self.window - self.margin)
        return 1 + max(0, -(-beyond_first // self._hop))

    def forward(self, waveform: Tensor, num_frames: int | None = None) -> Tensor:
        """Speech features of a whole recording; use ``blocks`` if they do not fit in memory.

        Args:
            waveform: (samples,) at 16 kHz, at least one sample, finite.
            num_frames: number of video frames F. A shorter waveform is padded with silence; in a longer one
                the rest is only context. None: as many as the waveform lasts.

        Returns:
            S, (F, H_w, D_A) float32, on the encoder's device. Frame t has features 2t-4 .. 2t+5, each with
                all hidden states in order; features before 0 and from 2F on are zero.

        Raises:
            InputError: the waveform is not one-dimensional, is empty or not finite.
        """
        return torch.cat(list(self.blocks(waveform, num_frames)))

    def blocks(self, waveform: Tensor, num_frames: int | None = None) -> Iterator[Tensor]:
        """The same features window by window: consecutive blocks (n, H_w, D_A), together F frames."""
        _check_waveform(waveform)
        frames = frames_of_samples(len(waveform)) if num_frames is None else num_frames
        if frames < 1:
            raise InputError(f"num_frames is {frames}; expected at least 1")
        steps = self._zero_steps(STEPS_BEFORE)
        windows = self.num_windows(frames)
        for index in range(windows):
            steps = torch.cat([steps, self._window_steps(waveform, index, FEATURES_PER_FRAME * frames)])
            if index == windows - 1:
                steps = torch.cat([steps, self._zero_steps(STEPS_AFTER)])
            ready = (len(steps) - STEPS_PER_FRAME) // FEATURES_PER_FRAME + 1
            if ready < 1:
                continue
            around = steps.unfold(0, STEPS_PER_FRAME, FEATURES_PER_FRAME)
            yield rearrange(around, "f layer d step -> f (step layer) d")
            steps = steps[FEATURES_PER_FRAME * ready :].clone()

    @torch.no_grad()
    def encode_window(self, samples: Tensor) -> Tensor:
        """All hidden states of windows (B, 320 * window) -> (B, window, layers + 1, D_A) float32.

        The last hidden state is taken after the encoder's final normalization, as in ``transformers``.
        """
        mel = log_mel(samples.to(self.encoder.device), self.encoder.config.num_mel_bins)
        states = self.encoder(mel.to(self.encoder.dtype), output_hidden_states=True).hidden_states
        return torch.stack([state.float() for state in states], dim=2)

    @property
    def _hop(self) -> int:
        return self.window - 2 * self.margin

    def _window_steps(self, waveform: Tensor, index: int, total: int) -> Tensor:
        """Features of window ``index`` without its margins, at most up to ``total``: (n, layers + 1, D_A)."""
        start = index * self._hop
        samples = torch.zeros(self.window * SAMPLES_PER_FEATURE, device=self.encoder.device)
        piece = waveform[start * SAMPLES_PER_FEATURE :][: len(samples)]
        samples[: len(piece)] = piece.to(samples)
        keep_from = 0 if index == 0 else self.margin
        keep_to = min(self.window - self.margin, total - start)
        return self.encode_window(samples[None])[0, keep_from:keep_to]

    def _zero_steps(self, count: int) -> Tensor:
        layers = int(self.encoder.config.encoder_layers) + 1
        return torch.zeros(count, layers, self.feature_dim, device=self.encoder.device)


def load_whisper_encoder(folder: str | Path) -> WhisperEncoder:
    """Load the encoder from a folder of ``transformers`` with only an encoder or a whole Whisper model.

    Args:
        folder: folder with ``config.json`` and safetensors, in one file or in shards: ``openai/whisper-tiny``
            as published, or the output of ``WhisperEncoder.save_pretrained``. Pickles are not read.

    Returns:
        The encoder in the precision of the file, in evaluation mode.

    Raises:
        CheckpointError: a file is missing or unreadable, or tensors are missing, unknown or of another shape.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json; expected a Whisper model saved by transformers")
    config = WhisperConfig.from_pretrained(folder)
    tensors: dict[str, Tensor] = {}
    for file in weight_files(folder):
        tensors |= read_tensors(file)
    with torch.device("meta"):
        encoder = WhisperEncoder(config)
    what = f"{folder} does not hold the encoder of its config.json"
    load_strict(encoder, _encoder_tensors(tensors), what, "Copy or download the folder again")
    return encoder.eval().requires_grad_(False)


def _encoder_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors, without a whole model's prefixes and decoder."""
    for prefix in ("model.encoder.", "encoder."):
        if any(name.startswith(prefix) for name in tensors):
            return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    return tensors


def _check_waveform(waveform: Tensor) -> None:
    if waveform.ndim != 1 or len(waveform) == 0:
        raise InputError(
            f"waveform has shape {tuple(waveform.shape)}; expected (samples,), at least one sample"
        )
    if not torch.isfinite(waveform).all():
        raise InputError("waveform holds NaN or infinite samples; expected finite ones")
