"""After the decoder: restore detail, blink, move the head, and paste back into the original picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .checks import check_finite, check_output_size
from .detail.analysis import analysis_size
from .errors import InputError
from .eyelids.blinker import Blinker
from .eyelids.times import BlinkTimes
from .face.framing import portrait_size, scaled_size
from .face.paste import PasteBack, at_once
from .head.mover import HeadMover
from .head.still import StillHead
from .head.track import HeadTrack
from .limits import FACE, PASTED_SIDE
from .memory import detail_memory, moving_memory, pasting_memory, pictures_memory, waiting_memory
from .pictures import antialiased, as_bytes
from .side_by_side import MOST, frames_at_once

if TYPE_CHECKING:
    from .checkpoint import Card
    from .detail import DetailRestorer
    from .eyelids.network import EyelidNetwork
    from .records import Reference


@dataclass(frozen=True)
class Finishing:
    """How decoded frames are finished.

    Attributes:
        detail: restore the portrait's detail, and with still heads everything above the mouth, see
            :class:`read_core.head.still.StillHead`; None: yes with the fit ``face`` and a checkpoint of
            aligned faces.
        paste_back: paste them back into the original picture; None: yes with the fit ``face``.
        size: longest side of the result, within ``limits.OUTPUT_SIZE``. None: with paste-back the original's,
            at most ``limits.PASTED_SIDE``; else with detail the portrait's, at most ``limits.PORTRAIT_SIDE``;
            else the model's.
        blinks: close the eyelids at random times; None: if the checkpoint has an eyelid network and the
            places of the eyes are known, as with the fit ``face``.
        seed: seed of those times, and of the head's motion.
        head_motion: move the head a little; None: if the checkpoint's own heads keep still and the places of
            eyes and mouth are known, as with the fit ``face``.
    """

    detail: bool | None = None
    paste_back: bool | None = None
    size: int | None = None
    blinks: bool | None = None
    seed: int = 0
    head_motion: bool | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            check_output_size(self.size)

    def resolved(self, fit: str, aligned: bool) -> Finishing:
        """The same choice with ``detail`` and ``paste_back`` resolved; the other values may stay None.

        Args:
            fit: the fit of the reference.
            aligned: whether the checkpoint was trained on aligned faces.
        """
        face = fit == FACE
        return replace(
            self,
            detail=face and aligned if self.detail is None else self.detail,
            paste_back=face if self.paste_back is None else self.paste_back,
        )


class Finish:
    """Finish the frames of one video, in their order and a few at a time, so that memory does not grow.

    Args:
        finishing: what to do, with None resolved. ``blinks`` does not count: ``blinker`` does.
        reference: the reference of the video.
        original: (H, W, 3) float 0..1, the picture that the reference was cut from; needed for paste-back.
        restorer: restores detail; needed for detail.
        blinker: closes the lids; None: they stay as they are.
        still: keeps the portrait above the mouth; None: the frames are shown as they are.

    Attributes:
        size: (height, width) of the result; both even, except for unchanged model frames.

    Raises:
        InputError: the original is not the reference's, or the reference lacks what detail needs.
    """

    def __init__(
        self,
        finishing: Finishing,
        reference: Reference,
        original: Tensor | None = None,
        restorer: DetailRestorer | None = None,
        blinker: Blinker | None = None,
        still: StillHead | None = None,
    ) -> None:
        self.frame = reference.image.shape[0], reference.image.shape[1]
        self._paste = None
        if finishing.paste_back and original is not None:
            check_original(reference, original)
            self._paste = PasteBack(original, reference.crop, finishing.size or PASTED_SIDE)
        self._device = reference.latent.device
        self._speaking = self._speaking_size(finishing, reference)
        self.size = self._speaking if self._paste is None else self._paste.size
        self._detail = None
        if finishing.detail and restorer is not None:
            self._detail = _Detail(restorer, reference, self._speaking)
        self._still = still
        self._blinker, self._blinks, self._done = blinker, BlinkTimes(finishing.seed), 0
        self._mover, self._track = None, HeadTrack(finishing.seed)
        if finishing.head_motion and reference.points is not None:
            self._mover = HeadMover(reference.points, self.frame[1] / self.frame[0])

    def __call__(self, frames: Tensor) -> Iterator[Tensor]:
        """Decoded frames (F, h, w, 3), 0..1 -> finished pictures (n, height, width, 3), in the same order.

        Raises:
            InputError: the frames have another size than the reference's.
        """
        for faces in self._faces(frames):
            yield resized(faces, self.size) if self._paste is None else self._paste(faces)

    def with_faces(self, frames: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The same for a video: faces (n, h', w', 3), 0..1, and the pictures with them, as bytes.

        Raises:
            InputError: as :meth:`__call__`, or the faces hold NaN, which bytes would hide.
        """
        for faces in self._faces(frames):
            check_finite(faces)
            if self._paste is None:
                yield faces, as_bytes(resized(faces, self.size))
            else:
                yield faces, self._paste.as_bytes(faces)

    def begin_at(self, frame: int) -> None:
        """The next frames are those from ``frame`` on: blinks and head motion go on there."""
        self._done = frame

    def _faces(self, frames: Tensor) -> Iterator[Tensor]:
        """Finished faces (n, h', w', 3), neither pasted back nor resized, a few at a time."""
        if frames.ndim != 4 or frames.shape[1:] != (*self.frame, 3):
            raise InputError(
                f"frames are {tuple(frames.shape)}; expected those of the reference, "
                f"(F, {self.frame[0]}, {self.frame[1]}, 3)"
            )
        if not self.busy:
            yield frames
            return
        for few in torch.split(frames, self._faces_at_once):
            speaking = few if self._still is None else self._still.hold(few)
            if self._detail is not None:
                speaking = self._detail(speaking)
            if self._blinker is not None:
                closure = self._blinks.closure(self._done, self._done + len(few))
                speaking = self._blinker.blink(speaking, closure)
            if self._mover is not None:
                speaking = self._mover.move(speaking, self._track.pose(self._done, self._done + len(few)))
            self._done += len(few)
            yield from torch.split(speaking, self.at_once)

    @property
    def face_size(self) -> tuple[int, int]:
        """(height, width) of the faces, before they are pasted back or resized."""
        return self.frame if self._detail is None else self._speaking

    @property
    def pastes(self) -> bool:
        """Whether faces are pasted back into a larger picture."""
        return self._paste is not None

    @property
    def busy(self) -> bool:
        """Whether frames are changed at all."""
        changed = self._still, self._detail, self._blinker, self._mover, self._paste
        return any(part is not None for part in changed) or self.size != self.frame

    @property
    def memory(self) -> int:
        """Bytes that :meth:`with_faces` needs at a time, with what it gave last, which is still in use."""
        if not self.busy:
            return 0
        speaking, picture = (size[0] * size[1] for size in (self._speaking, self.size))
        faces = self._faces_at_once
        pictures = waiting_memory(self.at_once * picture)
        restored = detail = 0
        together = frames_at_once(faces, self._device)
        if self._detail is not None:
            restored = pictures_memory(faces * speaking)
            learned = self._detail.restorer.network is not None
            detail = together * detail_memory(self._speaking, analysis_size(*self.frame), learned)
        if self._blinker is not None:  # it changes a copy
            restored += pictures_memory(faces * speaking)
        moved = 0
        if self._mover is not None:
            restored += pictures_memory(faces * speaking)
            moved = together * moving_memory(speaking)
        made = pictures + (0 if self._speaking == self.size else pictures_memory(self.at_once * picture))
        if self._paste is not None:
            made = pictures + pasting_memory(self.at_once * self._paste.changed, 0)
        last = pictures + (pictures_memory(faces * speaking) if restored else 0)
        return last + restored + max(detail, moved, made)

    @property
    def at_once(self) -> int:
        """Number of pictures made at a time."""
        return min(self._faces_at_once, at_once(self.size))

    @property
    def _faces_at_once(self) -> int:
        """Number of faces made at a time: more than are worked on at once would only take memory."""
        return min(at_once(self._speaking), MOST)

    @property
    def pixels(self) -> int:
        """Pixels of the pictures made at a time."""
        return self.at_once * self.size[0] * self.size[1]

    def _speaking_size(self, finishing: Finishing, reference: Reference) -> tuple[int, int]:
        """(height, width) of the speaking crop: no more pixels than its place in the result has."""
        if self._paste is not None:
            return portrait_size(self._paste.crop, self.frame) if finishing.detail else self.frame
        if finishing.size is not None:
            return scaled_size(self.frame, finishing.size)
        return portrait_size(reference.crop, self.frame) if finishing.detail else self.frame


def chosen_blinker(
    eyelids: EyelidNetwork | None, reference: Reference, wanted: bool | None
) -> Blinker | None:
    """What closes the lids, of :attr:`Finishing.blinks`; None: nothing does.

    Raises:
        InputError: blinks are wanted, but there is no eyelid network, or the eyes' places are not known.
    """
    if wanted is not False and eyelids is not None and reference.points is not None:
        return Blinker(eyelids, reference.points)
    if wanted:
        no_network = "the checkpoint has no eyelid network"
        lack = no_network if eyelids is None else "the places of the eyes are not known"
        raise InputError(
            f"blinks cannot be added: {lack}; expected a checkpoint with eyelids/ and the fit face"
        )
    return None


def moves_head(card: Card, reference: Reference, wanted: bool | None) -> bool:
    """Whether the head is moved, of :attr:`Finishing.head_motion`.

    Raises:
        InputError: motion is wanted, but the places of eyes and mouth are not known.
    """
    if wanted and reference.points is None:
        raise InputError(
            "the head cannot be moved: the places of the eyes are not known; expected the fit face"
        )
    return reference.points is not None and (card.still_head if wanted is None else wanted)


def still_head(card: Card, reference: Reference) -> StillHead | None:
    """What keeps the portrait above the mouth, if the checkpoint's own heads keep still; None: nothing."""
    if not card.still_head or reference.points is None or reference.decoded is None:
        return None
    return StillHead(reference.points, reference.decoded)


class _Detail:
    """The restorer, with the portrait at the output size."""

    def __init__(self, restorer: DetailRestorer, reference: Reference, size: tuple[int, int]) -> None:
        if reference.portrait is None or reference.decoded is None:
            raise InputError(
                "the reference has no portrait to take detail from; encode it again (READ Encode Reference)"
            )
        self.restorer = restorer
        # Never smaller than the frames: the restorer only enlarges.
        size = max(size, (reference.decoded.shape[0], reference.decoded.shape[1]))
        portrait = resized(reference.portrait[None], size)[0]
        self._restore = restorer.of(portrait, reference.decoded.float(), reference.points)

    def __call__(self, frames: Tensor) -> Tensor:
        return self._restore(frames.float())


def check_original(reference: Reference, original: Tensor) -> None:
    """Refuse a picture of another size than the one that the reference was cut from.

    Raises:
        InputError: the picture has another size.
    """
    if reference.original is not None and tuple(original.shape[:2]) != reference.original:
        (height, width), found = reference.original, original.shape
        raise InputError(
            f"the picture is {found[1]} x {found[0]} pixels, but the reference was cut from one of "
            f"{width} x {height}; expected that picture"
        )


def resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures (n, h, w, 3), 0..1, at (height, width), antialiased."""
    if tuple(pictures.shape[1:3]) == size:
        return pictures
    batch = antialiased(pictures.permute(0, 3, 1, 2).float(), size)
    return batch.permute(0, 2, 3, 1).clamp(0, 1)
