"""Variants that one run compares. Each changes one of the user's settings."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from ..ans import DistilledCFG
from ..checkpoint import SamplingDefaults
from ..errors import InputError
from ..limits import WINDOW
from ..pipeline import ReadPipeline
from ..records import ResolvedSettings
from ..transformer import A2VTransformer3DModel
from ..transformer.merged import MergedStudent

Compiled = Literal["", "default", "reduce-overhead"]
_ALIGNED = 16  # channels that products in float8 come in


@dataclass(frozen=True)
class Variant:
    """One row of the report.

    Attributes:
        settings: how to sample.
        compiled: ``default``: every block of the transformer through ``torch.compile``; ``reduce-overhead``:
            the whole transformer, with CUDA graphs; empty: eager.
        float8: matrices of the transformer in float8, by torchao.
    """

    settings: ResolvedSettings
    compiled: Compiled = ""
    float8: bool = False

    @property
    def needs_cuda(self) -> bool:
        """Whether it exists on a CUDA device only."""
        return self.float8 or self.compiled == "reduce-overhead"


def variants_of(settings: ResolvedSettings, defaults: SamplingDefaults) -> dict[str, Variant]:
    """All variants by name; the student's only if there is one.

    Args:
        settings: the user's.
        defaults: give the scales of other kinds of guidance, and the student's steps.
    """

    def guided(kind: str) -> Variant:
        return Variant(replace(settings, guidance=defaults.guidance_of(kind)))

    found = {
        "chosen": Variant(settings),
        "split": guided("split"),
        "joint": guided("joint"),
        "no guidance": guided("none"),
        "wavefront": Variant(replace(settings, order="wavefront")),
        "steps": Variant(replace(settings, order="steps")),
    }
    for window in (8, 4):
        if window in WINDOW and window < settings.window:
            found[f"window {window}"] = Variant(replace(settings, window=window))
    found["compiled"] = Variant(settings, "default")
    found["CUDA graphs"] = Variant(settings, "reduce-overhead")
    found["float8"] = Variant(settings, "default", float8=True)
    if defaults.distilled is not None:
        own = defaults.distilled
        student = replace(settings, guidance=own.guidance, steps=own.steps)
        found["student"] = Variant(student)
        found["student, CUDA graphs"] = Variant(student, "reduce-overhead")
        found["student, float8"] = Variant(student, "default", float8=True)
    return found


def chosen_variants(names: list[str] | None, every: Mapping[str, Variant]) -> dict[str, Variant]:
    """Those with the given names; None: all.

    Raises:
        InputError: there is no such variant.
    """
    if names is None:
        return dict(every)
    unknown = [name for name in names if name not in every]
    if unknown:
        raise InputError(f"no variant is called {unknown[0]!r}; expected some of: {', '.join(every)}")
    return {name: every[name] for name in names}


@contextmanager
def prepared(pipe: ReadPipeline, variant: Variant) -> Iterator[None]:
    """The pipeline with the transformer as ``variant`` wants it; afterwards as it was.

    Raises:
        InputError: torchao is missing.
    """
    original, device = pipe.transformer, pipe.transformer.device
    changed: Any = original
    try:
        if variant.float8:
            changed = _in_float8(pipe, isinstance(variant.settings.guidance, DistilledCFG))
        if variant.compiled == "default":
            changed.compile_repeated_blocks()
        elif variant.compiled:
            changed = torch.compile(changed, mode=variant.compiled)
        pipe.transformer = changed
        yield
    finally:
        pipe.transformer = original
        for block in original.transformer_blocks:
            block._compiled_call_impl = None
        for model in (original, pipe.student):
            if model is not None:
                nn.Module.to(model, device)
        torch.compiler.reset()


def _in_float8(pipe: ReadPipeline, distilled: bool) -> nn.Module:
    """A copy of the transformer in float8, with the student's corrections in it if ``distilled``."""
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, quantize_
    except ImportError as error:
        raise InputError("float8 needs the package torchao; install it, or leave float8 out") from error
    device, made = pipe.transformer.device, copied(pipe, distilled)
    quantize_(made, Float8DynamicActivationFloat8WeightConfig(), filter_fn=fits_float8, device=device)
    nn.Module.to(made, device)
    return made


def copied(pipe: ReadPipeline, distilled: bool) -> A2VTransformer3DModel:
    """A copy of the transformer in main memory, with the student's corrections in it if ``distilled``.

    The transformer itself goes to main memory too, so that its device holds only what becomes of the copy.
    """
    original, student = pipe.transformer, pipe.student
    device = original.device
    for model in (original, student):
        if model is not None:
            nn.Module.to(model, "cpu")
    with MergedStudent(student).applied() if student is not None and distilled else nullcontext():
        made = copy.deepcopy(original)
    if student is not None:
        for name in student.names:
            made.get_submodule(name)._forward_hooks.clear()  # the corrections, which are in the weights
        nn.Module.to(student, device)
    return made


def fits_float8(module: nn.Module, _: str) -> bool:
    """Whether a layer's sizes suit products in float8."""
    sizes = (module.in_features, module.out_features) if isinstance(module, nn.Linear) else (1,)
    return all(size % _ALIGNED == 0 for size in sizes)
