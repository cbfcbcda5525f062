"""Seconds per clip by stage, with shares, and the real-time factor.

Every stage is timed separately, on the output of the previous stage, in rounds of all stages. The last call
of a round is read_core.generate from files to a file; it should take as long as all stages together. Features
and SpeechAE also process the silence that the pipeline appends to a recording for larger windows; with more
--clips its share becomes smaller.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from timing import (
    PORTRAIT,
    Inputs,
    Page,
    guarded,
    inputs,
    interleaved,
    milliseconds,
    parser,
    percent,
    write_wav,
)
from torch import Tensor

from read_core.finish import Finish, Finishing
from read_core.generate.job import Job, generate
from read_core.geometry import frames_of_latents
from read_core.media import VideoWriter

WHOLE = "all of it"


def main() -> None:
    args = parser(__doc__, clips=2, repeats=5).parse_args()
    given = inputs(args, args.clips)
    pipe = given.pipe
    features_frames = frames_of_latents(1 + given.speech.codes.shape[1])
    samples, features, latents, frames = _prepared(given, features_frames)
    with tempfile.TemporaryDirectory() as folder:
        recording = write_wav(Path(folder) / "speech.wav", given.waveform)
        written = Path(folder) / "stage.mp4"
        whole = Path(folder) / "whole.mp4"
        job = Job(PORTRAIT, recording, whole, given.settings, size=given.size, overwrite=True)

        def write() -> None:
            with VideoWriter(written, finish().size, recording, overwrite=True) as writer:
                for few in finished:
                    writer.write(few)

        def finish() -> Finish:
            return pipe.finish(given.reference, given.portrait, Finishing(seed=given.settings.seed or 0))

        def finished_frames() -> list[Tensor]:
            return [pictures for _, pictures in finish().with_faces(frames)]

        finished = finished_frames()

        calls = {
            "portrait (VAE encoder)": lambda: pipe.encode_reference(given.portrait, given.size),
            "features (Whisper)": lambda: pipe.features(samples, features_frames),
            "SpeechAE": lambda: _codes(given, features),
            "sampling (A2V-DiT)": lambda: pipe.sample(given.speech, given.reference, given.settings),
            "decode (VAE decoder)": lambda: pipe.decode(latents, given.speech.num_frames),
            "finish (detail ... paste back)": finished_frames,
            "write (H.264, AAC)": write,
            WHOLE: lambda: generate(pipe, job),
        }
        times = interleaved(calls, args.repeats, pipe.transformer.device)

    page = Page("Seconds per clip by stage")
    page.say(
        f"{given.describe}, {pipe.transformer.dtype} on {pipe.transformer.device}, finished at "
        f"{finish().size[1]} x {finish().size[0]}; {args.repeats} rounds."
    )
    total = sum(times.median(name) for name in calls if name != WHOLE)
    rows = [
        [
            name,
            milliseconds(times.median(name) / given.clips),
            percent(times.median(name) / total),
            f"{times.median(name) / given.seconds:.3f}",
        ]
        for name in calls
        if name != WHOLE
    ]
    rows.append(
        ["sum of the stages", milliseconds(total / given.clips), percent(1), f"{total / given.seconds:.3f}"]
    )
    page.table(["stage", "per clip", "share", "s per s of video"], rows)
    from_files = times.median(WHOLE)
    page.say(
        f"From files to a file: {from_files:.2f} s, {milliseconds(from_files / given.clips)} per clip, "
        f"{from_files / total:.2f} times the sum of the stages. "
        f"Real-time factor {from_files / given.seconds:.2f} (below 1 is faster than real time)."
    )
    page.say(f"The speech stages saw {features_frames} frames: {given.speech.num_frames} and silence behind.")
    page.save(args.out)


def _prepared(given: Inputs, features_frames: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs of the stages: waveform, features, latents and frames."""
    samples = given.waveform.to(given.pipe.transformer.device)
    features = given.pipe.features(samples, features_frames)
    latents = given.pipe.sample(given.speech, given.reference, given.settings)
    return samples, features, latents, given.pipe.decode(latents, given.speech.num_frames)


@torch.no_grad()
def _codes(given: Inputs, features: Tensor) -> Tensor:
    return given.pipe.speech_ae.encode(features[None])


if __name__ == "__main__":
    guarded(main)
