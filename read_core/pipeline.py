"""One portrait and one recording become a talking-head video: the whole flow in reading order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from .ans import OnStep, reverse, reverse_stream
from .ans.ranks import Ring, reverse_over_ranks
from .checkpoint import Components, load_checkpoint
from .checks import check_seed
from .detail import DetailRestorer
from .device import best_device
from .errors import InputError, OnWarning, warn
from .face.finder import FaceFinder, Faces, find_faces, load_finder
from .face.framing import encoded, frame_portrait, warn_of_framing
from .finish import Finish, Finishing, chosen_blinker, moves_head, still_head
from .geometry import (
    check_window,
    frames_of_latents,
    frames_of_samples,
    latents_of_frames,
)
from .limits import FACE, WINDOW
from .media import opaque, resample
from .precision import bfloat16_is_fast
from .records import FaceChoice, Reference, ResolvedSettings, SamplingSettings, SpeechCodes
from .run import prepare_run
from .speech import WhisperFeatures, encode_speech_codes
from .video import TemporalVAE

_PREVIEW_LATENTS = 3


class ReadPipeline:
    """READ: turn speech and a portrait into a talking-head video at 25 frames per second.

    ::

        pipe = ReadPipeline.from_pretrained(folder)
        speech = pipe.encode_speech(waveform, sample_rate)
        reference = pipe.encode_reference(image)
        for frames in pipe.stream(speech, reference, SamplingSettings(seed=0)):
            ...  # (n, H, W, 3), 0..1

    Every model is used on its current device, so models may be moved at any time.

    Args:
        components: what :func:`read_core.checkpoint.load_checkpoint` returns.

    Attributes:
        card: the checkpoint's description.
        defaults: the checkpoint's steps, guidance, window, shift and decoding.
        prompt: the checkpoint's text embedding.
        detail: the checkpoint's detail network; None: detail is restored without a network.
        eyelids: the checkpoint's eyelid network; None: frames keep the lids that the model generates.
        student: the checkpoint's few-step student of the transformer; None: there is none.
        ring: processes that share the clips of a video in :meth:`sample`, which each of them calls with equal
            arguments; the order then has no effect. None: this process alone.
    """

    def __init__(self, components: Components) -> None:
        self.card = components.card
        self.defaults = components.defaults
        self.prompt = components.prompt
        self.features = WhisperFeatures(components.whisper)
        self.speech_ae = components.speech_ae
        self.transformer = components.transformer
        self.vae = TemporalVAE(components.vae, components.defaults.decode)
        self.detail = components.detail
        self.eyelids = components.eyelids
        self.student = components.distilled
        if self.student is not None:
            self.student.attach(self.transformer)
        self.ring: Ring | None = None

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> ReadPipeline:
        """Load a checkpoint folder, strictly and without network access.

        Args:
            folder: see ``read_core.checkpoint``.
            device: None: a CUDA device if there is one, else Apple's, else the CPU.
            dtype: type of all models; None: the checkpoint's, but float32 on a CPU. There, if the processor
                is fast at bfloat16, A2V-DiT and the detail network have that type, and the decoder rounds to
                it (see :class:`read_core.video.TemporalVAE`).

        Raises:
            CheckpointError: the folder is missing, incomplete, of another kind or unsafe.
        """
        pipe = cls(load_checkpoint(folder, device or best_device(), dtype))
        if dtype is None and pipe.transformer.device.type == "cpu":
            pipe.round_for_speed()
        return pipe

    def round_for_speed(self) -> None:
        """On a processor that is fast at bfloat16, round A2V-DiT, the detail network and the decoder to it.

        For models in float32 on a CPU.
        """
        if not bfloat16_is_fast():
            return
        self.vae.rounded = True
        for model in (self.transformer, self.detail, self.student):
            if model is not None:
                torch.nn.Module.to(model, torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode_speech(
        self,
        waveform: Tensor,
        sample_rate: int,
        on_window: Callable[[int, int], None] | None = None,
        max_window: int = WINDOW.largest,
        keep_on: torch.device | str | None = None,
        on_warning: OnWarning = warn,
        rescale: bool = True,
    ) -> SpeechCodes:
        """Encode a recording of any length as speech codes (eq. 5, 6). Warns of silent audio.

        The recording is padded with silence, so that whole clips of any window up to ``max_window`` can be
        made from it.

        Args:
            waveform: (channels, samples) or (samples,), floating point, nominally -1..1; channels are
                averaged.
            sample_rate: sample rate of ``waveform`` in Hz.
            on_window: called as on_window(windows done, total windows).
            max_window: the largest window that will be passed to :meth:`sample`, within ``limits.WINDOW``. A
                smaller one saves encoding silence.
            keep_on: device for the codes; None: the SpeechAE's. One hour takes a gigabyte at full size.
            on_warning: called with each warning.
            rescale: see :func:`read_core.media.resample`; False: the encoder hears the waveform as it is.

        Raises:
            InputError: wrong shape, type or rate, no samples, NaN or infinity, or a window out of range.
        """
        spare = check_window(max_window) - 2
        samples = resample(waveform, sample_rate, on_warning, rescale)
        num_frames = frames_of_samples(len(samples))
        num_latents = latents_of_frames(num_frames) + spare
        codes = encode_speech_codes(self.features, self.speech_ae, samples, num_latents, on_window, keep_on)
        return SpeechCodes(codes=codes[:, 1:], num_frames=num_frames)

    def encode_reference(
        self,
        image: Tensor,
        size: tuple[int, int] | None = None,
        fit: str | None = None,
        face: FaceChoice | None = None,
        find: Callable[[Tensor], Faces] | None = None,
        on_warning: OnWarning = warn,
    ) -> Reference:
        """Encode the portrait as the latent z_R (eq. 4); keep its place in the original picture.

        Warns if no face is found, if the face will give a poor video, and if the fit is not ``face`` or the
        size another than the checkpoint's for a checkpoint of aligned faces.

        Args:
            image: (H, W, 3) or (H, W, 4) floating point, 0..1; transparency is composited on mid gray.
            size: height and width of the video, multiples of 32 within ``limits.SIZE``; None:
                the checkpoint's resolution.
            fit: ``face`` finds the face, turns it upright and crops it as the checkpoint expects. For
                ``crop``, ``pad`` and ``stretch`` see :func:`read_core.media.fit_image`. None: the
                checkpoint's fit.
            face: number or place of the face.
            find: function that finds faces in (H, W, 3) float 0..1; None: the package's face finder.
            on_warning: called with each warning.

        Raises:
            InputError: wrong shape, type or size, NaN or infinity, an unknown ``fit``, or a missing face.
        """
        image = opaque(image)
        size, own = size or self.card.resolution, self.own_fit
        fit = fit or own
        if own == FACE:
            warn_of_framing(self.card, size, fit, on_warning)
        framing = frame_portrait(
            image, size, fit, self.card.face, face or FaceChoice(), find or self.find_faces, on_warning
        )
        return replace(encoded(self.vae, image, framing), fit=fit)

    @property
    def own_fit(self) -> str:
        """The fit that the checkpoint was trained for: ``face`` or ``crop``."""
        return "crop" if self.card.face is None else FACE

    def find_faces(self, image: Tensor) -> Faces:
        """Find faces in (H, W, 3) float 0..1, the largest first, with the package's face finder."""
        return find_faces(image, next(self.finder.parameters()).device, finder=self.finder)

    @cached_property
    def finder(self) -> FaceFinder:
        """The package's face finder, loaded at its first use onto the VAE's device."""
        return load_finder().to(self.vae.vae.device)

    def sample(
        self,
        speech: SpeechCodes,
        reference: Reference,
        settings: SamplingSettings | None = None,
        on_step: OnStep | None = None,
        on_warning: OnWarning = warn,
    ) -> Tensor:
        """Sample the latents of the whole video with the asynchronous noise scheduler (Algorithm 1).

        The same seed gives the same latents: bit for bit in the orders ``clips`` and ``steps``, up to
        rounding in ``wavefront``. Noise is drawn on the CPU for every device. Warns of fewer steps than the
        checkpoint's minimum, of a window other than the trained one, and of steps or scales that the student
        was not trained for.

        Args:
            speech: from :meth:`encode_speech`.
            reference: from :meth:`encode_reference`.
            settings: how to sample; None: the checkpoint's defaults with seed 0.
            on_step: called as on_step(done, total, clean) after every evaluation, see
                :func:`read_core.ans.reverse`.
            on_warning: called with each warning.

        Returns:
            (1, C, N + 1, h, w) float32 on the transformer's device, z_R first; N fills whole clips.

        Raises:
            InputError: an argument does not fit the checkpoint.
        """
        chosen = self._resolved(settings)
        run = prepare_run(self, speech, reference, chosen, on_warning)
        inputs = (run.velocity, run.noise, run.reference, run.times, chosen.window)
        if self.ring is None:
            latents = reverse(*inputs, chosen.order, on_step, clips=run.clips)
        else:
            latents = reverse_over_ranks(*inputs, self.ring, on_step, clips=run.clips)
        return torch.cat([run.reference, latents], dim=2)

    def share_of_step(self, reference: Reference, settings: ResolvedSettings) -> float:
        """What a step takes on average, by a guided one: below 1 if guidance ends before the last step."""
        height, width = reference.latent.shape[3:]
        evaluations = settings.evaluations(self.defaults.shift_at(settings.window * height * width))
        return evaluations / (settings.steps * len(settings.guidance.branches))

    def decode(self, latents: Tensor, num_frames: int | None = None, seed: int = 0) -> Tensor:
        """Decode the frames of a video (eq. 4), chunk by chunk.

        Args:
            latents: (1, C, N + 1, h, w), z_R first. The frames are returned on their device.
            num_frames: number of frames F, usually ``speech.num_frames``; None: all 8 N + 1.
            seed: seed of the noise for timestep-conditioned decoders.

        Returns:
            (F, H, W, 3) float32, 0..1. Frame 0 is the portrait.

        Raises:
            InputError: wrong shape of the latents, too few latents for ``num_frames``, or a seed out of
                range.
        """
        self._check_latents(latents, num_frames)
        return self.vae.decode(latents, check_seed(seed), num_frames)[0]

    def decode_stream(
        self, latents: Tensor, num_frames: int | None = None, seed: int = 0
    ) -> Iterator[Tensor]:
        """:meth:`decode` one chunk at a time: an iterator over (n, H, W, 3), F frames in total.

        Raises:
            InputError: as :meth:`decode`, immediately.
        """
        total = self._check_latents(latents, num_frames)
        return self._trimmed(iter([latents]), total, check_seed(seed))

    def preview(self, clean: Tensor) -> Tensor:
        """Preview of an unfinished clip: the last frame (H, W, 3), 0..1, of latents (1, C, f, h, w)."""
        return self.vae.decode(clean[:, :, -_PREVIEW_LATENTS:])[0, -1]

    def stream(
        self,
        speech: SpeechCodes,
        reference: Reference,
        settings: SamplingSettings | None = None,
        on_step: OnStep | None = None,
        on_warning: OnWarning = warn,
    ) -> Iterator[Tensor]:
        """:meth:`sample` and :meth:`decode` clip by clip; memory does not grow with the recording.

        The frames equal ``decode(sample(...), speech.num_frames, seed)``, bit for bit. A frame is returned as
        soon as all latents that its decoding needs are sampled.

        Args: as :meth:`sample`, with the order ``clips``; the same seed serves the decoder.

        Returns:
            An iterator over (n, H, W, 3) float32, 0..1, on the VAE's device; F frames in total.

        Raises:
            InputError: as :meth:`sample`, or another order; immediately, not at the first frames.
        """
        chosen = self._resolved(settings)
        if chosen.order != "clips":
            raise InputError(
                f"order is {chosen.order!r}; expected clips, since a stream is made clip by clip. For other "
                "orders use sample and decode_stream"
            )
        run = prepare_run(self, speech, reference, chosen, on_warning)
        clips = reverse_stream(
            run.velocity, run.noise, run.reference, run.times, chosen.window, run.clips, on_step
        )
        return self._trimmed(chain([run.reference], clips), speech.num_frames, chosen.seed)

    def finish(
        self,
        reference: Reference,
        original: Tensor | None,
        finishing: Finishing,
        fit: str | None = None,
    ) -> Finish:
        """Create the function that finishes decoded frames.

        It restores detail, blinks, moves the head, and pastes back into the original. With detail, it keeps
        the portrait above the mouth, if the checkpoint's own heads keep still.

        Args:
            reference: from :meth:`encode_reference`.
            original: the image that was passed there; None: no paste-back.
            finishing: what to do; None values follow ``fit`` and the checkpoint.
            fit: None: the reference's.

        Raises:
            InputError: see :class:`read_core.finish.Finish`.
        """
        chosen = finishing.resolved(fit or reference.fit or self.own_fit, self.card.face is not None)
        restorer = DetailRestorer(self.detail) if chosen.detail else None
        blinker = chosen_blinker(self.eyelids, reference, chosen.blinks)
        chosen = replace(chosen, head_motion=moves_head(self.card, reference, chosen.head_motion))
        picture = None if original is None else opaque(original)
        still = still_head(self.card, reference) if chosen.detail else None
        return Finish(chosen, reference, picture, restorer, blinker, still)

    def _check_latents(self, latents: Tensor, num_frames: int | None) -> int:
        """Check ``latents``; return the number of frames to decode."""
        channels = self.transformer.config.in_channels
        if latents.ndim != 5 or latents.shape[:2] != (1, channels) or latents.shape[2] < 1:
            raise InputError(
                f"latents have shape {tuple(latents.shape)}; expected (1, {channels}, N + 1, h, w)"
            )
        available = frames_of_latents(latents.shape[2])
        if num_frames is not None and not 1 <= num_frames <= available:
            raise InputError(f"{num_frames} frames are wanted; the latents decode to 1 to {available}")
        return available if num_frames is None else num_frames

    def _trimmed(self, latents: Iterator[Tensor], num_frames: int, seed: int) -> Iterator[Tensor]:
        left = num_frames
        for frames in self.vae.decode_stream(latents, seed, stop=1 + latents_of_frames(num_frames)):
            yield frames[0, :left]
            left -= frames.shape[1]
            if left <= 0:
                return

    def _resolved(self, settings: SamplingSettings | None) -> ResolvedSettings:
        return (settings or SamplingSettings()).resolved(self.defaults)
