"""Portraits and recordings, good and bad, for ``read-core generate``."""

from __future__ import annotations

import os
import wave

import av
import numpy as np
import pytest
from PIL import Image

from .arguments import FRAMES


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """good.png, good.wav and everything that is not good."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (80, 100, 3), np.uint8)).save(folder / "good.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "text.png").write_text("not a picture\n" * 100)
    (folder / "text.wav").write_text("not a sound\n" * 100)
    os.mkfifo(folder / "pipe")
    for name, count, scale in (
        ("good", FRAMES, 3000),
        ("silent", FRAMES, 0),
        ("empty", 0, 1),
        ("long", 3000, 3000),
    ):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(
                generator.normal(0, scale, 640 * count).clip(-30000, 30000).astype("<i2").tobytes()
            )
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        with av.open(str(folder / f"{name}.wav"), "w") as container:
            stream = container.add_stream("pcm_f32le", rate=16000, layout="mono")
            samples = np.full((1, 8000), 0.1, np.float32)
            samples[0, 4000] = value
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return folder
