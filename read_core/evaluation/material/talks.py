"""Held-out talks at a higher resolution than the model's: animated photographs, drawn presenters."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...corpus.drawing.render import eye_boxes, mouth_box, render
from ...corpus.motion import sample_motion
from ...corpus.photo.scene import PhotoScene, puppet_of, render_video
from ...corpus.photo.stills import Still, find_stills
from ...corpus.scene import loudness
from ...corpus.speech.utterance import sample_utterance
from ...errors import InputError
from ...face.alignment import FaceLayout
from ...geometry import FPS
from ...mouth.face_reader import box_places, place_points
from .samples import presenter_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...corpus.speech.utterance import Utterance

PHOTOGRAPHS, DRAWN = "photographs", "drawn"
FINE = 256
"""Shorter side of a talk in pixels."""
_PHOTO_SEED = 30_000  # so that recordings differ from the drawn presenters'


@dataclass(frozen=True)
class Talk:
    """A rendered video of F frames with its ground truth.

    Attributes:
        name: unique among the talks of a report.
        kind: PHOTOGRAPHS or DRAWN.
        face: file of the portrait; empty for a drawn presenter.
        synthesizer: the synthesizer that speaks.
        pixels: (F, S, S', 3) uint8.
        waveform: (640 F,) float32, 16 kHz.
        mouth: (F, 3), the true track.
        phonemes: (2 F,) viseme class per 20 ms.
        closures: (K,) int64, the frames with the middle of each p, b or m.
        boxes: (F, 4) pixel boxes x0, y0, x1, y1 of the mouth.
        eyes: (F, 2, 4) pixel boxes of both eyes.
        blink: (F,) how far the lids are shut, 0..1.
        covered: whether dark glasses hide the eyes.
    """

    name: str
    kind: str
    face: str
    synthesizer: str
    pixels: Tensor
    waveform: Tensor
    mouth: Tensor
    phonemes: Tensor
    closures: Tensor
    boxes: Tensor
    eyes: Tensor
    blink: Tensor
    covered: bool = False

    @property
    def frames(self) -> Tensor:
        """The video as (F, S, S', 3) float, 0..1."""
        return self.pixels.float() / 255

    @property
    def portrait(self) -> Tensor:
        """Frame 0, (S, S', 3) float, 0..1."""
        return self.pixels[0].float() / 255

    @property
    def points(self) -> Tensor:
        """Eyes and mouth in frame 0: (3, 2), x and y in pixels."""
        return place_points(box_places(self.eyes[0], self.boxes[0]))


@dataclass(frozen=True)
class TalkOrder:
    """A talk that is not drawn yet.

    Attributes:
        seed, synthesizer: of its speech.
        still: the portrait that talks; None: the drawn presenter of the seed.
    """

    seed: int
    synthesizer: str
    still: Still | None = None

    @property
    def name(self) -> str:
        """The talk's name."""
        return f"{self.synthesizer}-{self.seed}" if self.still is None else self.still.path.stem


@dataclass(frozen=True)
class TalkSource:
    """Settings of the talks.

    Attributes:
        split: split of faces, voices and sentences.
        frames: frames per talk.
        resolution: the checkpoint's height and width.
        layout: the checkpoint's layout of the face; None: it was not trained on aligned faces.
        speakers: synthesizers, used in turn.
        side: shorter side in pixels, at least that of the resolution.
    """

    split: str
    frames: int
    resolution: tuple[int, int]
    layout: FaceLayout | None
    speakers: tuple[str, ...]
    side: int = FINE

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of drawn presenters; for aligned faces, the frame's middle square."""
        height, width = self.resolution
        side = max(self.side, min(height, width))
        if self.layout is not None:
            return side, side
        return round(height * side / min(height, width)), round(width * side / min(height, width))

    def presenters(self, count: int) -> list[TalkOrder]:
        """``count`` drawn presenters."""
        return [TalkOrder(i, self.speakers[i % len(self.speakers)]) for i in range(count)]

    def photographs(self, faces: Path, count: int = 0) -> list[TalkOrder]:
        """The portraits of a folder with closed lips, or the first ``count``.

        Raises:
            InputError: the folder is no folder of portraits, or has none with closed lips in the split.
        """
        return [
            TalkOrder(_PHOTO_SEED + index, self.speakers[index % len(self.speakers)], still)
            for index, still in enumerate(closed_stills(faces, self.split, count))
        ]

    def draw(self, order: TalkOrder) -> Talk:
        """Draw a talk.

        Raises:
            SynthesizerError: the synthesizer is not installed.
        """
        if order.still is None:
            return self.presenter(order.seed, order.synthesizer)
        return self.photograph(order.still, order.seed, order.synthesizer)

    def presenter(self, seed: int, synthesizer: str) -> Talk:
        """The drawn presenter of a seed."""
        utterance = self._utterance(seed, synthesizer)
        presenter = presenter_of(seed, self.split, self.layout)
        energy = loudness(utterance.waveform, self.frames)
        motion = sample_motion(seed, self.frames, energy, self.split)
        shown = {
            "frames": (render(presenter, motion, utterance.mouth, self.size) * 255).round().byte(),
            "boxes": mouth_box(presenter, motion, self.size),
            "eyes": eye_boxes(presenter, motion, self.size),
            "blink": motion.blink,
            "mouth": utterance.mouth,
        }
        return _talk(shown, utterance, f"{synthesizer}-{seed}", DRAWN, synthesizer)

    def photograph(self, still: Still, seed: int, synthesizer: str) -> Talk:
        """A portrait with the speech of a seed."""
        scene = PhotoScene(
            seed,
            self.split,
            self.frames / FPS,
            max(self.side, min(self.resolution)),
            still.path.parent.parent,
            synthesizer,
            astuple(self.layout or FaceLayout()),
        )
        puppet, utterance = puppet_of(scene, still), self._utterance(seed, synthesizer)
        talk = _talk(
            render_video(scene, puppet, utterance), utterance, still.path.stem, PHOTOGRAPHS, synthesizer
        )
        return replace(talk, face=still.path.name, covered=puppet.covered)

    def _utterance(self, seed: int, synthesizer: str) -> Utterance:
        return sample_utterance(seed, self.frames / FPS, self.split, synthesizer)


def closed_stills(faces: Path, split: str, count: int = 0) -> list[Still]:
    """The portraits of a split with closed lips; the first ``count`` of them, or all if that is 0.

    Raises:
        InputError: the folder is no folder of portraits, or has none with closed lips in the split.
    """
    found = [still for still in find_stills(faces, split) if still.closed]
    if not found:
        raise InputError(f"{faces} holds no portrait with closed lips in the split {split}")
    return found[:count] if count else found


def _talk(shown: dict[str, Tensor], utterance: Utterance, name: str, kind: str, synthesizer: str) -> Talk:
    return Talk(
        name=name,
        kind=kind,
        face="",
        synthesizer=synthesizer,
        pixels=shown["frames"],
        waveform=utterance.waveform,
        mouth=shown["mouth"],
        phonemes=utterance.phonemes,
        closures=utterance.closures,
        boxes=shown["boxes"],
        eyes=shown["eyes"],
        blink=shown["blink"],
    )
