"""Node READ Example Inputs."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io, ui

from .discovery import AVATAR, found_by

ASSETS = Path(__file__).resolve().parents[1] / "assets"
PORTRAITS = {"drawn": "portrait.png", "photo": "photo.jpg"}
RECORDING = "speech.flac"


class ExampleInputs(io.ComfyNode):
    """Give a portrait and a recording from the pack's folder, so that a graph runs on any host."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_ExampleInputs",
            display_name="READ Example Inputs",
            category="READ",
            description="Gives a portrait and a recording that come with the pack, to try a talking head at "
            "once. For your own, connect Load Image and Load Audio in its place.",
            **found_by(*AVATAR, "example", "demo", "sample image", "sample audio"),
            inputs=[
                io.Combo.Input(
                    "portrait",
                    options=list(PORTRAITS),
                    tooltip="drawn: a drawn presenter, 512 x 512; photo: a photograph of nobody, 512 x 640.",
                )
            ],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="The portrait, as from Load Image."),
                io.Audio.Output(
                    display_name="recording", tooltip="9 seconds of synthesized speech, as from Load Audio."
                ),
            ],
        )

    @classmethod
    def execute(cls, portrait: str) -> io.NodeOutput:
        from ..read_core.geometry import SAMPLE_RATE
        from ..read_core.media import read_audio, read_image

        image = read_image(ASSETS / PORTRAITS[portrait])[None]
        recording = {"waveform": read_audio(ASSETS / RECORDING)[None, None], "sample_rate": SAMPLE_RATE}
        return io.NodeOutput(image, recording, ui=ui.PreviewImage(image, cls=cls))
