"""Make assets/portrait.png and assets/speech.flac: a held-out face and voice, not picked by hand.

Both are seed 0 of the test split: a presenter and sentences that no training uses, spoken by flite, the
held-out synthesizer. (A folder called examples would hide ``workflows`` from ComfyUI, which accepts both
names for a pack's templates.) Needs flite (Debian: ``apt-get install flite``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import torch
from PIL import Image

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import render
from read_core.corpus.motion import neutral_motion
from read_core.corpus.speech.utterance import sample_utterance
from read_core.geometry import SAMPLE_RATE

SEED = 0
SECONDS = 9.0
SIZE = 512


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    folder = Path(__file__).parent.parent / "assets"
    folder.mkdir(exist_ok=True)
    frame = render(sample_presenter(SEED, "test"), neutral_motion(1), torch.zeros(1, 3), SIZE)[0]
    Image.fromarray((frame * 255).round().byte().numpy()).save(folder / "portrait.png", optimize=True)
    speech = sample_utterance(SEED, SECONDS, "test", "flite").waveform
    samples = (speech * 32767).round().to(torch.int16)[None].numpy()
    with av.open(folder / "speech.flac", "w") as file:
        stream = file.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        sound.sample_rate = SAMPLE_RATE
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))


if __name__ == "__main__":
    main()
