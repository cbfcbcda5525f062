"""Finishing frames (detail, blinks, head motion, paste back): several at once, and one after the other.

The frames are the portrait as the codec shows it: what finishing takes does not depend on them.
"""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import torch
from timing import PORTRAIT, Page, guarded, interleaved, load, parser
from torch import Tensor

from read_core import side_by_side
from read_core.finish import Finishing
from read_core.media import read_image

FORMS = {
    "all, pasted back": Finishing(seed=0),
    "the face at 256 pixels": Finishing(paste_back=False, size=256),
    "the face at 512 pixels": Finishing(paste_back=False, size=512),
}
ONE, SEVERAL = "one after the other", "several at once"


def main() -> None:
    made = parser(__doc__, repeats=5)
    made.add_argument("--portrait", type=Path, default=PORTRAIT, help="default: assets/portrait.png")
    made.add_argument("--frames", type=int, default=24, help="default: 24")
    args = made.parse_args()
    pipe, picture = load(args), read_image(args.portrait)
    reference = pipe.encode_reference(picture)
    assert reference.decoded is not None
    frames = reference.decoded.expand(args.frames, -1, -1, -1)
    device = pipe.transformer.device

    def finished(finishing: Finishing, most: int) -> list[Tensor]:
        with patch.object(side_by_side, "MOST", most):
            made = pipe.finish(reference, picture, finishing).with_faces(frames)
            return [pictures for _, pictures in made]

    page = Page("Finishing, several frames at once")
    page.say(
        f"{pipe.card.name}, {args.portrait.name}, {args.frames} frames, {torch.get_num_threads()} thread(s), "
        f"{device}; {args.repeats} rounds."
    )
    rows = []
    for name, finishing in FORMS.items():
        calls = {
            ONE: lambda finishing=finishing: finished(finishing, 1),
            SEVERAL: lambda finishing=finishing: finished(finishing, side_by_side.MOST),
        }
        times = interleaved(calls, args.repeats, device)
        took = [f"{1e3 * times.median(call) / args.frames:.1f} ms" for call in calls]
        rows.append([name, *took, times.ratio(SEVERAL, ONE)])
    page.table(["result", f"a frame, {ONE}", SEVERAL, "times the first (range)"], rows)
    page.save(args.out)


if __name__ == "__main__":
    guarded(main)
