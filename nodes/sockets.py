"""The pack's own socket types. READ_SPEECH carries the core's SpeechCodes, READ_REFERENCE its Reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfy_api.latest import io

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ..read_core import ReadPipeline
    from ..read_core.ans import Guidance

Models = io.Custom("READ_MODELS")
Speech = io.Custom("READ_SPEECH")
Portrait = io.Custom("READ_REFERENCE")


@dataclass(frozen=True, repr=False)
class ReadModels:
    """READ_MODELS: a pipeline, and the patchers through which the host places its models.

    Attributes:
        pipe: the pipeline; it uses every model on the device where the host has put it.
        speech: patcher of the Whisper encoder and the SpeechAE.
        vae: patcher of the temporal VAE.
        transformer: patcher of A2V-DiT, with the LoRA's patches if there is one.
        finder: patcher of the face finder.
        detail: patcher of the detail network; None: the checkpoint has none.
        eyelids: patcher of the eyelid network; None: the checkpoint has none.
        student: patcher of the transformer's few-step student; None: the checkpoint has none.
        base: with a LoRA, the same models without it; kept so that they can be shared.
    """

    pipe: ReadPipeline
    speech: ModelPatcher
    vae: ModelPatcher
    transformer: ModelPatcher
    finder: ModelPatcher
    detail: ModelPatcher | None = None
    eyelids: ModelPatcher | None = None
    student: ModelPatcher | None = None
    base: ReadModels | None = None

    @property
    def patcher(self) -> ModelPatcher:
        """The host looks for this name in outputs with models when it frees memory."""
        return self.transformer

    @property
    def for_finishing(self) -> list[ModelPatcher]:
        """Patchers that detail and blinks need."""
        return [patcher for patcher in (self.detail, self.eyelids) if patcher is not None]

    def for_sampling(self, guidance: Guidance) -> list[ModelPatcher]:
        """Patchers that sampling with ``guidance`` needs, without the VAE's."""
        if guidance.kind == "distilled" and self.student is not None:
            return [self.transformer, self.student]
        return [self.transformer]

    def __repr__(self) -> str:
        return f"READ_MODELS({self.pipe.card.name})"
