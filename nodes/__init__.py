"""The node pack: thin nodes over ``read_core``; the only place that imports ComfyUI."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .check import Check
from .decode import Decode
from .detail import RestoreDetail
from .encode import EncodeReference, EncodeSpeech
from .examples import ExampleInputs
from .live import add_route
from .loaders import LoadModels
from .paste import PasteBack
from .sample import Sampler
from .save_prompt import SavePrompt
from .video import TalkingHeadToFile

NODES: list[type[io.ComfyNode]] = [
    LoadModels,
    ExampleInputs,
    EncodeSpeech,
    EncodeReference,
    Sampler,
    Decode,
    RestoreDetail,
    PasteBack,
    TalkingHeadToFile,
    Check,
    SavePrompt,
]


class ReadExtension(ComfyExtension):
    """The extension that gives the host the list of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


add_route()  # before the host starts its server
