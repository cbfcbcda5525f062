"""Node READ Save Prompt: a text embedding for training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..read_core.errors import InputError
from .discovery import TEXT, found_by
from .feedback import show_text
from .incoming import counted, embedded_text
from .naming import filled_in


class SavePrompt(io.ComfyNode):
    """Write a text embedding as a file for ``read-core train`` and ``read-core checkpoint``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_SavePrompt",
            display_name="READ Save Prompt",
            category="READ",
            description="Saves a text embedding as a file for the training of a full-size talking head. The "
            "key prompt of the configuration names the file. Training then needs no text encoder.",
            **found_by(*TEXT),
            is_output_node=True,
            hidden=[io.Hidden.prompt],
            inputs=[
                io.Conditioning.Input(
                    "conditioning",
                    tooltip="Text from CLIPTextEncode with LTX-Video's T5; an empty text works too.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="prompts/READ",
                    tooltip="Name in the output folder. A number is added; no file is overwritten.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="Path of the written file.")],
        )

    @classmethod
    def execute(cls, conditioning: list[Any], filename_prefix: str) -> io.NodeOutput:
        from ..read_core.checkpoint import write_prompt

        prompt = embedded_text(conditioning)
        path = _next_file(filled_in(filename_prefix, cls.hidden.prompt))
        write_prompt(path, prompt)
        tokens, channels = prompt.embedding.shape
        show_text(f"{counted(tokens, 'token')} of {channels} channels in {path}")
        return io.NodeOutput(str(path))


def _next_file(prefix: str) -> Path:
    """The next free file with this prefix in the host's output folder; its folder exists.

    Raises:
        InputError: the prefix leads out of the output folder on any system, or names no file.
        MediaError: the file cannot be written.
    """
    from ..read_core.media import check_output

    parts = re.split(r"[/\\]", prefix)
    if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", prefix) or parts[-1] in ("", "."):
        raise InputError(
            f"filename_prefix is {prefix!r}; expected a name within the output folder, such as prompts/READ: "
            "no '..', no absolute path, no drive"
        )
    folder, name, counter, *_ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    return check_output(Path(folder) / f"{name}_{counter:05}_.safetensors", ".safetensors")
