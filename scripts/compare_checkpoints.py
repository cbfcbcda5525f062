"""Compare the lips of two checkpoints with the same talks and the same noise, synthesizer by synthesizer.

    python scripts/compare_checkpoints.py BEFORE AFTER [--faces FOLDER] [--count 6] [--seeds 1] [--out FOLDER]

Drawn presenters of the test split speak, and with ``--faces`` photographs, two clips each: with voices of
espeak-ng that no training used, with flite, and with Festival's Finnish voice, where these are installed. The
frames are the models' own, without the detail step. It writes the table as ``checkpoints.txt``, ``.md``,
``.csv`` and ``.json``, and continues where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from read_core import ReadPipeline, SamplingSettings
from read_core.corpus.speech.synthesis import SynthesizerError, require_synthesizer
from read_core.evaluation.figures import column, mean_figures
from read_core.evaluation.material.talks import Talk, TalkSource
from read_core.evaluation.material.videos import encode_framed
from read_core.evaluation.metrics.face import read_placed
from read_core.evaluation.metrics.intervals import Estimate, difference_of_means
from read_core.evaluation.metrics.seams import whole_clips
from read_core.evaluation.metrics.span import opening_span
from read_core.evaluation.metrics.sync import score_sync
from read_core.evaluation.tables.metadata import weights_digest
from read_core.evaluation.tables.report import Report, make_folder
from read_core.geometry import SAMPLE_RATE
from read_core.media.files import written_whole

_NOTE = (
    "Open, width, round r: correlation of the mouth's tracks with the true ones. Range: 5th to 95th "
    "percentile of the opening, by that of the talk as rendered. Means over talks; their seeds are averaged."
)
_PAIRED = "After less before, for the same talks and seeds, with 95 % intervals over talks."


@dataclass(frozen=True)
class LipsFigures:
    """One video, or several in the mean."""

    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    span: float = column("range")


@dataclass(frozen=True)
class Difference:
    """Of two checkpoints."""

    opening: Estimate = column("open r", "95 %")
    width: Estimate = column("width r", "95 %")
    rounding: Estimate = column("round r", "95 %")
    span: Estimate = column("range", "95 %")


def measure(pipe: ReadPipeline, talk: Talk, seeds: range) -> LipsFigures:
    """The lips of one talk, in the mean over the seeds."""
    speech = pipe.encode_speech(talk.waveform, SAMPLE_RATE)
    reference = encode_framed(pipe, talk.portrait)
    true = opening_span(read_placed(talk.frames, talk.points).mouth[:, 0])
    found = []
    for seed in seeds:
        frames = pipe.decode(pipe.sample(speech, reference, SamplingSettings(seed=seed)), speech.num_frames)
        mouth = read_placed(frames.cpu(), talk.points).mouth
        lips = score_sync(mouth, talk.mouth)
        found.append(LipsFigures(lips.opening, lips.width, lips.rounding, opening_span(mouth[:, 0]) / true))
    return mean_figures(found)


def difference(after: list[LipsFigures], before: list[LipsFigures]) -> Difference:
    """Paired differences of the same talks."""

    def of(name: str) -> Estimate:
        return difference_of_means(*([getattr(each, name) for each in side] for side in (after, before)))

    return Difference(*(of(name) for name in ("opening", "width", "rounding", "span")))


def installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the synthesizers that are here."""
    here = []
    for name in names:
        try:
            require_synthesizer(name)
            here.append(name)
        except SynthesizerError as error:
            print(f"{name} is left out: {error}")
    return tuple(here)


def main(arguments: list[str] | None = None) -> int:
    """Measure both checkpoints and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--faces", type=Path, help="folder of portraits, as for evaluate")
    parser.add_argument(
        "--count", type=int, default=6, help="talks of each kind and synthesizer (default: 6)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the noise (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("output/checkpoints"))
    args = parser.parse_args(arguments)
    make_folder(args.out)
    pipes = {name: ReadPipeline.from_pretrained(getattr(args, name)) for name in ("before", "after")}
    card, frames = pipes["after"].card, whole_clips(2, pipes["after"].defaults.window)
    rows: list[tuple[str, LipsFigures]] = []
    paired: list[tuple[str, Difference]] = []
    for synthesizer in installed(("espeak", "flite", "festival")):
        source = TalkSource("test", frames, card.resolution, card.face, (synthesizer,), min(card.resolution))
        kinds = {"drawn": source.presenters(args.count)}
        if args.faces is not None:
            kinds["photographs"] = source.photographs(args.faces, args.count)
        for kind, orders in kinds.items():
            found: dict[str, list[LipsFigures]] = {name: [] for name in pipes}
            for order in orders:
                talk = source.draw(order)
                for name, pipe in pipes.items():
                    kept = (
                        args.out
                        / f"{synthesizer}-{kind}-{order.name}-{weights_digest(pipe)}-{args.seeds}.json"
                    )
                    if not kept.exists():
                        with written_whole(kept) as temporary:
                            temporary.write_text(json.dumps(asdict(measure(pipe, talk, range(args.seeds)))))
                    found[name].append(LipsFigures(**json.loads(kept.read_text())))
                    print(synthesizer, kind, order.name, name, found[name][-1], flush=True)
            rows += [(f"{kind}, {synthesizer}, {name}", mean_figures(own)) for name, own in found.items()]
            paired.append((f"{kind}, {synthesizer}", difference(found["after"], found["before"])))
    weights = {name: weights_digest(pipe) for name, pipe in pipes.items()}
    report = Report(f"Lips of two checkpoints named {card.name}", weights | {"seeds": args.seeds})
    report.add_figures("Lips", "talks", LipsFigures, rows, _NOTE)
    report.add_figures("After, less before", "talks", Difference, paired, _PAIRED)
    report.write(args.out, "checkpoints")
    print(report.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
