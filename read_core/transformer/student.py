"""A student of A2V-DiT: it takes few steps, evaluates once per step, and has the guidance scales as input.

It is a low-rank correction (LoRA) of a finished A2V-DiT and an embedding of three numbers: the scales alpha
and beta of ``SplitCFG``, and the steps per clip. The embedding is added to that of time. An untrained student
equals A2V-DiT without guidance.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..ans import DistilledCFG
from .model import TIME_SCALE, A2VTransformer3DModel

_FREQUENCIES = 128
_OF_CONDITIONS = re.compile(r"caption_projection|time_embed\.emb|(attn2|audio_attn)\.to_[kv]$")


OTHER_BASE = (
    "the student was made for other weights of the transformer: expect worse videos; use the student of "
    "these weights, or another guidance"
)


class LowRank(nn.Module):
    """The correction B A x of a linear layer; B starts at zero.

    Args:
        inputs: channels of x.
        outputs: channels of the layer's output.
        rank: channels between A and B.
    """

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.lora_A = nn.Linear(inputs, rank, bias=False)
        self.lora_B = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., outputs)."""
        out: Tensor = self.lora_B(self.lora_A(x.to(self.lora_A.weight.dtype)))
        return out


class Student(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """A few-step student of one A2V-DiT, which it corrects while it runs. The base keeps its weights.

    Training corrects in the forward pass (:meth:`applied`); sampling merges, see ``MergedStudent``. Keys and
    values of text and speech are the base's, so both share them.

    Args:
        transformer: arguments of the base, ``A2VTransformer3DModel``.
        rank: of the corrections.
        steps: numbers of steps per clip that it was trained for.
        alpha: least and largest alpha in training.
        beta: least and largest beta in training.
        base_print: hash of the base's weights, see ``read_core.weights.fingerprint.weights_print``; None: not
            known.

    Attributes:
        active: whether the base, after :meth:`attach`, runs with the corrections.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        transformer: Mapping[str, Any],
        rank: int = 32,
        steps: Sequence[int] = (4, 2),
        alpha: Sequence[float] = (0.0, 0.0),
        beta: Sequence[float] = (1.0, 4.0),
        base_print: str | None = None,
    ) -> None:
        super().__init__()
        with torch.device("meta"):
            base = A2VTransformer3DModel(**transformer)
        self.corrections = nn.Module()
        self.names = corrected_names(base)
        for name in self.names:
            layer = base.get_submodule(name)
            _insert(self.corrections, name, LowRank(layer.in_features, layer.out_features, rank))
        width = base.config.num_attention_heads * base.config.attention_head_dim
        self.embedding = TimestepEmbedding(3 * _FREQUENCIES, width)
        nn.init.zeros_(self.embedding.linear_2.weight)
        nn.init.zeros_(self.embedding.linear_2.bias)
        self.steps, self.alpha, self.beta = tuple(steps), tuple(alpha), tuple(beta)
        self.active = False
        self.base_print = base_print
        self._base: weakref.ref[nn.Module] | None = None

    @property
    def base(self) -> nn.Module | None:
        """The transformer of :meth:`attach`; None: there is none, or it no longer exists."""
        return None if self._base is None else self._base()

    def attach(self, base: A2VTransformer3DModel) -> None:
        """Let ``base`` run with the corrections while :attr:`active` is set. Its weights do not change."""
        if self.base is base:
            return
        for name in self.names:
            correct = partial(self._corrected, self.corrections.get_submodule(name))
            base.get_submodule(name).register_forward_hook(correct)
        self._base = weakref.ref(base)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run the base with the corrections inside this context."""
        before, self.active = self.active, True
        try:
            yield
        finally:
            self.active = before

    def condition(self, scales: Tensor) -> Tensor:
        """What is added to the time embedding.

        Args:
            scales: (B, 3): alpha, beta and the steps per clip.

        Returns:
            (B, D).
        """
        alpha, beta, steps = scales.float().unbind(dim=1)
        shares = [_share(alpha, self.alpha), _share(beta, self.beta), 1 / steps]
        waves = get_timestep_embedding(
            TIME_SCALE * torch.stack(shares, dim=1).flatten(),
            _FREQUENCIES,
            flip_sin_to_cos=True,
            downscale_freq_shift=0,
        )
        out: Tensor = self.embedding(waves.unflatten(0, (-1, 3)).flatten(1).to(self.dtype))
        return out

    def scales(self, guidance: DistilledCFG, steps: int) -> Tensor:
        """The argument of :meth:`condition` for one video: (1, 3), on the student's device."""
        return torch.tensor([[guidance.alpha, guidance.beta, steps]], device=self.device)

    def complaints(self, guidance: DistilledCFG, steps: int) -> Iterator[str]:
        """What it was not trained for, as texts for the user."""
        replaced = getattr(self.base, "replaced_print", None)  # by weights of a file
        if None not in (self.base_print, replaced) and self.base_print != replaced:
            yield OTHER_BASE
        if steps not in self.steps:
            known = " or ".join(map(str, self.steps))
            yield f"steps is {steps}, but the student was trained for {known}: expect worse videos"
        scales = (("alpha", guidance.alpha, self.alpha), ("beta", guidance.beta, self.beta))
        for name, value, (least, largest) in scales:
            if not least <= value <= largest:
                trained = f"{least:g} to {largest:g}" if least < largest else f"{least:g}"
                yield f"{name} is {value:g}, but the student was trained for {trained}: expect worse videos"

    def _corrected(
        self, correction: nn.Module, _: nn.Module, inputs: tuple[Tensor], output: Tensor
    ) -> Tensor:
        """Forward hook of a linear layer of the base."""
        if not self.active:
            return output
        correct: Tensor = correction(inputs[0])
        return output + correct.to(output.dtype)


def corrected_names(base: nn.Module) -> tuple[str, ...]:
    """Names of the linear layers of an A2V-DiT that a student corrects."""
    return tuple(
        name
        for name, layer in base.named_modules()
        if isinstance(layer, nn.Linear) and not _OF_CONDITIONS.search(name)
    )


def _insert(root: nn.Module, name: str, module: nn.Module) -> None:
    """Add ``module`` below ``root`` under a dotted name."""
    *parents, last = name.split(".")
    for parent in parents:
        if parent not in dict(root.named_children()):
            root.add_module(parent, nn.Module())
        root = root.get_submodule(parent)
    root.add_module(last, module)


def _share(value: Tensor, limits: Sequence[float]) -> Tensor:
    """Where ``value`` lies between two limits, 0..1 inside; 0 if they are equal."""
    least, largest = limits
    return (value - least) / (largest - least) if largest > least else torch.zeros_like(value)
