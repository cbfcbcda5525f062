"""Generate videos of held-out material: with the asynchronous scheduler, and clip by clip without it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ...ans import clip_spans
from ...errors import OnWarning, warn
from ...face.framing import frame_portrait
from ...finish import Finishing
from ...geometry import SAMPLE_RATE, frames_of_latents, latents_of_frames, padded_latents
from ...limits import FACE
from ...mouth.measure import mouth_shape
from ...records import FaceChoice, Reference, SamplingSettings, SpeechCodes
from ..metrics.face import read_placed

if TYPE_CHECKING:
    from torch import Tensor

    from ...pipeline import ReadPipeline
    from .samples import Sample
    from .talks import Talk


@dataclass(frozen=True)
class Video:
    """A generated video.

    Attributes:
        frames: (F, H, W, 3), 0..1, on the CPU.
        mouth: (F, 3), measured on it.
        seconds: time of sampling and decoding.
    """

    frames: Tensor
    mouth: Tensor
    seconds: float


class VideoGenerator:
    """Generates videos of samples; speech and portrait of each are encoded once.

    Args:
        pipe: the checkpoint to measure.
        size: (height, width) of the videos of samples; None: the checkpoint's.
        on_warning: called with the pipeline's warnings.
    """

    def __init__(
        self, pipe: ReadPipeline, size: tuple[int, int] | None = None, on_warning: OnWarning = warn
    ) -> None:
        self.pipe = pipe
        self.size = size
        self.on_warning = on_warning
        self._encoded: dict[str, tuple[SpeechCodes, Reference]] = {}

    def mouth(self, frames: Tensor) -> Tensor:
        """Open, width and round (F, 3) of frames (F, H, W, 3) with the checkpoint's framing.

        The reader of faces reads aligned faces; the reader of drawn mouths reads others.
        """
        layout = self.pipe.card.face
        if layout is None:
            return mouth_shape(frames)
        height, width = frames.shape[1:3]
        points = layout.points((height, width)) * torch.tensor([width, height])
        return read_placed(frames, points).mouth

    def finished(
        self, talk: Talk, settings: SamplingSettings | None = None, head_motion: bool | None = None
    ) -> Tensor:
        """Generate and finish frames as for users, with what is the checkpoint's default.

        Args:
            talk: what is said, and by whom.
            settings: of the sampler; None: the checkpoint's.
            head_motion: see ``finish.Finishing``.

        Returns:
            (F, S, S, 3), 0..1, on the CPU: the middle of the video at the size and shape of the talk.
        """
        speech, reference = self._encode_talk(talk)
        latents = self.pipe.sample(speech, reference, settings, on_warning=self.on_warning)
        frames = self.pipe.decode(latents, speech.num_frames)
        return self._finish(
            frames, reference, talk, Finishing(seed=settings.seed if settings else 0, head_motion=head_motion)
        )

    def coded(self, talk: Talk, frames: int) -> Tensor:
        """The first ``frames`` (8 n + 1) of a talk through the VAE, finished without blinks."""
        _, reference = self._encode_talk(talk)
        small = torch.stack([framed(self.pipe, frame / 255) for frame in talk.pixels[:frames]])
        return self._finish(
            self.reconstructed(small), reference, talk, Finishing(blinks=False, head_motion=False)
        )

    def _finish(self, frames: Tensor, reference: Reference, talk: Talk, finishing: Finishing) -> Tensor:
        size = talk.pixels.shape[1:3]
        height, width = reference.image.shape[:2]
        longest = round(max(height, width) * min(size) / min(height, width))
        chosen = replace(finishing, paste_back=False, size=longest)
        finish = self.pipe.finish(reference, None, chosen)
        return torch.cat([middle(few.cpu(), (size[0], size[1])) for few in finish(frames)])

    def asynchronous(self, sample: Sample, settings: SamplingSettings | None = None) -> Video:
        """Generate as for users: from frame 0 of the sample and its recording, with the whole pipeline."""
        speech, reference = self._encode(sample)
        start = time.perf_counter()
        latents = self.pipe.sample(speech, reference, settings, on_warning=self.on_warning)
        return self._decode(latents, speech.num_frames, start)

    def independent(self, sample: Sample, settings: SamplingSettings | None = None) -> Video:
        """Sample every clip independently; shared latents come from the earlier clip.

        The clips have the same places as with the asynchronous scheduler, so the seams do too.
        """
        settings = settings or SamplingSettings()
        speech, reference = self._encode(sample)
        window = self.pipe.defaults.window
        total = padded_latents(latents_of_frames(speech.num_frames), window)
        start = time.perf_counter()
        parts = [reference.latent]
        for index, (first, last) in enumerate(clip_spans(total, window)):
            codes = SpeechCodes(speech.codes[:, first:last], frames_of_latents(window))
            own_noise = replace(settings, seed=settings.seed + 1000 * index)
            clip = self.pipe.sample(codes, reference, own_noise, on_warning=self.on_warning)
            parts.append(clip[:, :, 1 if index == 0 else 2 :])
        return self._decode(torch.cat([part.cpu() for part in parts], dim=2), speech.num_frames, start)

    def reconstructed(self, frames: Tensor) -> Tensor:
        """Frames (8 n + 1, H, W, 3) through the VAE and back, on the CPU."""
        return self.pipe.vae.decode(self.pipe.vae.encode(frames[None]))[0].cpu()

    def _encode(self, sample: Sample) -> tuple[SpeechCodes, Reference]:
        if sample.name not in self._encoded:
            speech = self.pipe.encode_speech(sample.waveform, SAMPLE_RATE, on_warning=self.on_warning)
            self._encoded[sample.name] = speech, encode_framed(self.pipe, sample.portrait, self.size)
        return self._encoded[sample.name]

    def _encode_talk(self, talk: Talk) -> tuple[SpeechCodes, Reference]:
        if talk.name not in self._encoded:
            speech = self.pipe.encode_speech(talk.waveform, SAMPLE_RATE, on_warning=self.on_warning)
            portrait = talk.portrait
            reference = self.pipe.encode_reference(portrait, fit=FACE, face=whole_face(portrait))
            self._encoded[talk.name] = speech, reference
        return self._encoded[talk.name]

    def _decode(self, latents: Tensor, num_frames: int, start: float) -> Video:
        frames = self.pipe.decode(latents, num_frames).cpu()
        seconds = time.perf_counter() - start
        return Video(frames, mouth_shape(frames), seconds)


def encode_framed(pipe: ReadPipeline, portrait: Tensor, size: tuple[int, int] | None = None) -> Reference:
    """Encode a portrait (H, W, 3) that has the checkpoint's framing, without searching a face."""
    if pipe.card.face is None:
        return pipe.encode_reference(portrait, size)
    return pipe.encode_reference(portrait, size, face=whole_face(portrait))


def framed(pipe: ReadPipeline, picture: Tensor) -> Tensor:
    """The middle of a picture (H, W, 3), framed like the portraits of talks, (h, w, 3)."""
    face = whole_face(picture)
    return frame_portrait(picture, pipe.card.resolution, FACE, pipe.card.face, face, pipe.find_faces).image


def middle(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle (n, height, width, 3) of larger frames (n, H, W, 3)."""
    (height, width), (h, w) = frames.shape[1:3], size
    top, left = (height - h) // 2, (width - w) // 2
    return frames[:, top : top + h, left : left + w]


def whole_face(picture: Tensor) -> FaceChoice:
    """Face choice: the largest square in the middle of the picture."""
    shape = picture.shape[0] / picture.shape[1]
    return FaceChoice(0, 0.5, shape / 2, min(1.0, shape))
