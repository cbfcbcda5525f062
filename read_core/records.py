"""Settings of a video, and the records passed between the stages of the pipeline."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .checks import check_guidance_end, check_seed, check_steps
from .errors import InputError
from .face.alignment import FaceCrop
from .geometry import check_window
from .limits import FACE_SIZE, GUIDANCE_END, ORDERS, Order

if TYPE_CHECKING:
    from torch import Tensor

    from .ans import Guidance
    from .checkpoint import Prompt, SamplingDefaults


@dataclass(frozen=True)
class SamplingSettings:
    """How a video is sampled. None means the checkpoint's default.

    Attributes:
        steps: updates per clip, within ``limits.STEPS``.
        guidance: ``NoCFG``, ``JointCFG``, ``SplitCFG`` or, of checkpoints with a student, ``DistilledCFG``.
        window: latents per clip, z_R included, within ``limits.WINDOW``.
        seed: seed of the noise, within ``limits.SEED``.
        order: order of the cells of Algorithm 1, one of ``limits.ORDERS``; it does not change the video.
        text: a text embedding.
        guidance_end: share of the way from noise to data that is guided, within ``limits.GUIDANCE_END``: the
            steps that begin at T > 1 - guidance_end. Later ones take the conditional velocity, 1 evaluation;
            1: all steps are guided (eq. 16, 17).

    Raises:
        InputError: a value out of range.
    """

    steps: int | None = None
    guidance: Guidance | None = None
    window: int | None = None
    seed: int = 0
    order: Order = ORDERS[0]
    text: Prompt | None = None
    guidance_end: float | None = None

    def __post_init__(self) -> None:
        if self.guidance_end is not None:
            check_guidance_end(self.guidance_end)
        if self.steps is not None:
            check_steps(self.steps)
        if self.window is not None:
            check_window(self.window)
        check_seed(self.seed)
        if self.order not in ORDERS:
            raise InputError(f"order is {self.order!r}; expected one of {', '.join(ORDERS)}")

    def resolved(self, defaults: SamplingDefaults) -> ResolvedSettings:
        """The same settings with the checkpoint's ``defaults`` instead of None; ``text`` is not changed.

        Raises:
            InputError: the guidance is ``distilled``, and the checkpoint has no student.
        """
        guidance = self.guidance or defaults.guidance
        own_steps = defaults.steps_of(guidance)
        return ResolvedSettings(
            steps=own_steps if self.steps is None else self.steps,
            guidance=guidance,
            window=defaults.window if self.window is None else self.window,
            seed=self.seed,
            order=self.order,
            text=self.text,
            guidance_end=defaults.guidance_end if self.guidance_end is None else self.guidance_end,
        )


@dataclass(frozen=True)
class ResolvedSettings(SamplingSettings):
    """Settings without None, except for the text."""

    steps: int = field()
    guidance: Guidance = field()
    window: int = field()
    guidance_end: float = GUIDANCE_END.largest

    def evaluations(self, shift: float) -> int:
        """How often A2V-DiT is evaluated for a clip; ``shift``: s of the schedule."""
        from .ans import guided_steps, timesteps

        guided = guided_steps(timesteps(self.steps, shift), self.guidance_end)
        return guided * len(self.guidance.branches) + self.steps - guided


@dataclass(frozen=True, repr=False)
class SpeechCodes:
    """Speech codes C (eq. 6), one per generated latent.

    Attributes:
        codes: (1, M, h_w, d_A) float32; code i - 1 belongs to z_i. M is larger than ``num_frames`` needs: the
            added silence fills the last clip for any window up to ``limits.WINDOW``, or up to the
            ``max_window`` used in encoding.
        num_frames: number of video frames F of the recording; the video is trimmed to it.
    """

    codes: Tensor
    num_frames: int

    def __repr__(self) -> str:
        return f"SpeechCodes({self.num_frames} frames)"


@dataclass(frozen=True)
class FaceChoice:
    """Which face of a portrait speaks, for the fit ``face``.

    Attributes:
        index: number of the face among those found, the largest first, from 0.
        x, y: place by hand: center of the square to cut, as fractions of the original's width.
        size: place by hand: side of that square, as a fraction of the original's width; 0: find the face.
    """

    index: int = 0
    x: float = 0.5
    y: float = 0.5
    size: float = 0.0

    def __post_init__(self) -> None:
        if self.index < 0 or self.index != int(self.index):
            raise InputError(f"the face's index is {self.index!r}; expected 0 (the largest) or more")
        if not all(map(math.isfinite, (self.x, self.y, self.size))) or self.size not in FACE_SIZE:
            raise InputError(
                f"the face is at x {self.x}, y {self.y} with size {self.size}; expected fractions of the "
                f"picture's width and a size up to {FACE_SIZE.largest}, or 0 to find it"
            )

    @property
    def by_hand(self) -> bool:
        """Whether the place is given, so that no face is searched."""
        return self.size > 0


@dataclass(frozen=True, repr=False)
class Reference:
    """The portrait as the model sees it, and its place in the original.

    Attributes:
        latent: (1, C, 1, h, w), normalized, z_R (eq. 11).
        image: (H, W, 3) float 0..1, the encoded portrait at the size of the model's frames.
        box: left, top, right and bottom of ``image`` in pixels of the original. It may reach beyond the
            original. For a turned crop it is the upright box around it.
        face: the aligned crop; None: the portrait was not aligned with a face.
        points: (3, 2), both eyes and the mouth as fractions of the width and height of ``image``; None:
            unknown.
        portrait: (P, Q, 3) float 0..1, the same crop at the original's resolution, see ``portrait_size``.
        decoded: (H, W, 3) float 0..1, the VAE's reconstruction of ``image``.
        original: height and width of the original picture.
        fit: how the crop was chosen, see ``ReadPipeline.encode_reference``; None: unknown.
    """

    latent: Tensor
    image: Tensor
    box: tuple[int, int, int, int]
    face: FaceCrop | None = None
    points: Tensor | None = None
    portrait: Tensor | None = None
    decoded: Tensor | None = None
    original: tuple[int, int] | None = None
    fit: str | None = None

    @property
    def crop(self) -> FaceCrop:
        """The crop of the original that ``image`` shows, aligned or not."""
        return self.face or FaceCrop.of_box(self.box)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Reference({width} x {height})"
