"""The parts of a checkpoint other than weights: card, defaults, prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checks import check_guidance_end, check_size, check_steps
from ..errors import InputError
from ..face.alignment import FaceLayout
from ..geometry import check_window
from ..limits import GUIDANCE_END

if TYPE_CHECKING:
    from diffusers import AutoencoderKLLTXVideo
    from torch import Tensor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from ..ans import DistilledCFG, Guidance, JointCFG, Shift, SplitCFG
    from ..detail import DetailNetwork
    from ..eyelids.network import EyelidNetwork
    from ..speech import SpeechEncoder
    from ..transformer import A2VTransformer3DModel, Student
    from ..video import DecodeSettings

_NUMBERS = ("steps", "window", "halo", "decode_chunk", "decode_timestep", "decode_noise_scale")


@dataclass(frozen=True)
class Card:
    """Description of a checkpoint.

    Attributes:
        name: a short name, for example ``read-tiny``.
        trained_on: one sentence about the training data.
        resolution: (height, width) in pixels in training.
        demonstration: True if it is a small model that shows the method, not one of full size.
        face: place of the face in its aligned crops; None: it was not trained on aligned faces.
        still_head: its videos move little but the mouth. So finishing keeps the portrait above the mouth, and
            moves the head by default.
    """

    name: str
    trained_on: str
    resolution: tuple[int, int]
    demonstration: bool = False
    face: FaceLayout | None = None
    still_head: bool = False

    def __post_init__(self) -> None:
        check_size(self.resolution)

    def to_dict(self) -> dict[str, Any]:
        """The entries in ``model_index.json``."""
        entries = asdict(self) | {"resolution": list(self.resolution)}
        if self.face is None:
            del entries["face"]
        if not self.still_head:
            del entries["still_head"]
        return entries

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Card:
        """The inverse of :meth:`to_dict` (TypeError or InputError if an entry is wrong)."""
        sides = values.get("resolution")
        if not isinstance(sides, list) or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
            raise InputError(f"resolution is {sides!r}; expected [height, width] in pixels")
        for name in ("name", "trained_on"):
            if not isinstance(values.get(name), str):
                raise InputError(f"{name} is {values.get(name)!r}; expected a text")
        face = FaceLayout.from_dict(values["face"]) if "face" in values else None
        return cls(**{**values, "resolution": (sides[0], sides[1]), "face": face})


@dataclass(frozen=True)
class StudentDefaults:
    """Defaults of a checkpoint's student, the part ``distilled``.

    Attributes:
        steps: updates per clip, within ``limits.STEPS``.
        guidance: its scales.
    """

    steps: int
    guidance: DistilledCFG

    def __post_init__(self) -> None:
        check_steps(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """The entry in ``scheduler_config.json``."""
        return {"steps": self.steps, **asdict(self.guidance)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudentDefaults:
        """The inverse of :meth:`to_dict` (KeyError or InputError if an entry is wrong)."""
        from ..ans import DistilledCFG, guidance_from_dict

        scales = {name: value for name, value in values.items() if name != "steps"}
        guidance = guidance_from_dict({"kind": DistilledCFG.kind, **scales})
        assert isinstance(guidance, DistilledCFG)
        return cls(steps=values["steps"], guidance=guidance)


@dataclass(frozen=True)
class SamplingDefaults:
    """The checkpoint's defaults, stored in ``scheduler_config.json``.

    Attributes:
        shift: s of the shifted schedule, or the rule ``tokens``, see :meth:`shift_at`.
        steps: updates per clip, within ``limits.STEPS``.
        guidance: see ``read_core.ans``.
        window: latents per clip, z_R included.
        decode: halo, chunk, time and noise scale of decoding; in the file ``halo``, ``decode_chunk``,
            ``decode_timestep`` and ``decode_noise_scale``.
        min_steps: fewer updates break the pictures; optional in the file, default 1.
        split, joint: scales for these kinds of guidance that fit the checkpoint; optional in the file, see
            :meth:`guidance_of`.
        distilled: defaults of the checkpoint's student; None: it has none.
        guidance_end: see ``SamplingSettings``; optional in the file, default 1.
        windows: all lengths of training's windows, among them ``window``; optional in the file, default that
            one.
    """

    shift: Shift
    steps: int
    guidance: Guidance
    window: int
    decode: DecodeSettings
    min_steps: int = 1
    split: SplitCFG | None = None
    joint: JointCFG | None = None
    distilled: StudentDefaults | None = None
    guidance_end: float = GUIDANCE_END.largest
    windows: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_steps(self.steps)
        check_guidance_end(self.guidance_end)
        check_steps(self.min_steps)
        for window in (self.window, *self.windows):
            check_window(window)
        object.__setattr__(self, "windows", tuple(sorted({self.window, *self.windows})))
        if self.shift != "tokens" and not self.shift > 0:
            raise InputError(f"shift is {self.shift}; expected more than 0")
        self.steps_of(self.guidance)  # refuses a distilled one without a student

    def shift_at(self, tokens: int) -> float:
        """s for windows of ``tokens`` = W h w tokens, z_R's included; see ``ans.shift_of``."""
        from ..ans import shift_of

        return shift_of(self.shift, tokens)

    def guidance_of(self, kind: str) -> Guidance:
        """Guidance of a kind with scales that fit the checkpoint.

        If none are stored: the default guidance, or that kind with the same strength of speech.

        Args:
            kind: ``split``, ``joint``, ``none`` or ``distilled``.

        Raises:
            InputError: the kind is unknown, or ``distilled`` without a student.
        """
        from ..ans import of_kind

        if kind == "distilled":
            return self.student.guidance
        own = {"split": self.split, "joint": self.joint}.get(kind)
        return own or of_kind(kind, self.guidance)

    @property
    def student(self) -> StudentDefaults:
        """Defaults of the student.

        Raises:
            InputError: the checkpoint has none.
        """
        if self.distilled is None:
            raise InputError(
                "guidance is distilled, but the checkpoint has no student (a part distilled/); "
                "choose split, joint or none, or train one (stage distill in docs/configuration.md)"
            )
        return self.distilled

    def steps_of(self, guidance: Guidance) -> int:
        """Default steps with a guidance: the student's own, or the checkpoint's.

        Raises:
            InputError: the guidance is ``distilled`` and there is no student.
        """
        return self.student.steps if guidance.kind == "distilled" else self.steps

    def to_dict(self) -> dict[str, Any]:
        """The content of the file."""
        values: dict[str, Any] = {
            "_class_name": "AsynchronousNoiseScheduler",
            "shift": self.shift,
            "steps": self.steps,
            "guidance": self.guidance.to_dict(),
            "window": self.window,
            "halo": self.decode.halo,
            "decode_chunk": self.decode.chunk,
            "decode_timestep": self.decode.timestep,
            "decode_noise_scale": self.decode.noise_scale,
        }
        if self.min_steps > 1:
            values["min_steps"] = self.min_steps
        if self.guidance_end < GUIDANCE_END.largest:
            values["guidance_end"] = self.guidance_end
        if len(self.windows) > 1:
            values["windows"] = list(self.windows)
        for own in filter(None, (self.split, self.joint)):
            values[own.kind] = asdict(own)
        if self.distilled is not None:
            values["distilled"] = self.distilled.to_dict()
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SamplingDefaults:
        """The inverse of :meth:`to_dict` (ValueError or InputError if an entry is wrong)."""
        from ..ans import guidance_from_dict
        from ..video import DecodeSettings

        guidance = _object("guidance", values.get("guidance"))
        for name in _NUMBERS:
            if isinstance(values.get(name), bool) or not isinstance(values.get(name), int | float):
                raise InputError(f"{name} is {values.get(name)!r}; expected a number")
        shift = values.get("shift")
        if isinstance(shift, bool) or not (isinstance(shift, int | float) or shift == "tokens"):
            raise InputError(f"shift is {shift!r}; expected a number or 'tokens'")
        min_steps = values.get("min_steps", 1)
        if isinstance(min_steps, bool) or not isinstance(min_steps, int):
            raise InputError(f"min_steps is {min_steps!r}; expected a whole number")
        guidance_end = values.get("guidance_end", GUIDANCE_END.largest)
        if isinstance(guidance_end, bool) or not isinstance(guidance_end, int | float):
            raise InputError(f"guidance_end is {guidance_end!r}; expected a number")
        windows = values.get("windows", [])
        if not isinstance(windows, list) or not all(type(window) is int for window in windows):
            raise InputError(f"windows is {windows!r}; expected a list of whole numbers")
        own: dict[str, Any] = {
            kind: guidance_from_dict({"kind": kind, **_object(kind, values[kind])})
            for kind in ("split", "joint")
            if kind in values
        }
        if "distilled" in values:
            own["distilled"] = StudentDefaults.from_dict(_object("distilled", values["distilled"]))
        defaults = cls(
            shift="tokens" if shift == "tokens" else float(shift),
            steps=int(values["steps"]),
            guidance=guidance_from_dict(guidance),
            window=int(values["window"]),
            decode=DecodeSettings(
                halo=int(values["halo"]),
                chunk=int(values["decode_chunk"]),
                timestep=float(values["decode_timestep"]),
                noise_scale=float(values["decode_noise_scale"]),
            ),
            min_steps=min_steps,
            guidance_end=float(guidance_end),
            windows=tuple(windows),
            **own,
        )
        foreign = sorted(set(values) - {*defaults.to_dict(), "min_steps", "guidance_end", "windows"})
        if foreign:
            raise InputError(f"unknown entries {', '.join(foreign)}")
        return defaults


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{name} is {value!r}; expected an object with its scales")
    return value


@dataclass(frozen=True)
class Prompt:
    """A text embedding, so that no text encoder is needed.

    Attributes:
        embedding: (S, caption channels).
        mask: (S,) bool, True for tokens that count.
        text: the embedded text.
    """

    embedding: Tensor
    mask: Tensor
    text: str = ""


@dataclass(frozen=True)
class Components:
    """All parts of a checkpoint, models in evaluation mode; those with the default None are optional."""

    card: Card
    defaults: SamplingDefaults
    vae: AutoencoderKLLTXVideo
    whisper: WhisperEncoder
    speech_ae: SpeechEncoder
    transformer: A2VTransformer3DModel
    prompt: Prompt
    detail: DetailNetwork | None = None
    eyelids: EyelidNetwork | None = None
    distilled: Student | None = None


@dataclass(frozen=True)
class PartInfo:
    """One folder of a checkpoint: class, parameters, bytes on disk and dtypes, for example ``("F16",)``."""

    name: str
    class_name: str
    parameters: int
    nbytes: int
    dtypes: tuple[str, ...]


@dataclass(frozen=True)
class CheckpointInfo:
    """Result of :func:`describe`."""

    folder: Path
    card: Card
    defaults: SamplingDefaults
    parts: tuple[PartInfo, ...]
    prompt_text: str
