"""Variants that one run compares. Each changes one of the user's settings."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from ..ans import JointCFG, NoCFG, SplitCFG
from ..errors import InputError
from ..limits import WINDOW
from ..pipeline import ReadPipeline
from ..records import ResolvedSettings

Compiled = Literal["", "default", "reduce-overhead"]
STUDENT_STEPS = 4


@dataclass(frozen=True)
class Variant:
    """One row of the report.

    Attributes:
        settings: how to sample.
        compiled: mode of ``torch.compile`` for the transformer; ``reduce-overhead`` uses CUDA graphs; empty:
            eager.
        float8: matrices of the transformer in float8, by torchao.
    """

    settings: ResolvedSettings
    compiled: Compiled = ""
    float8: bool = False


def variants_of(settings: ResolvedSettings, on_gpu: bool) -> dict[str, Variant]:
    """All variants by name; those that need a GPU only there.

    ``student`` has the evaluations of a guidance-distilled student: four, each of one branch.
    """
    scale = settings.guidance.beta if isinstance(settings.guidance, SplitCFG) else 2.5  # any takes as long
    found = {
        "chosen": Variant(settings),
        "joint": Variant(replace(settings, guidance=JointCFG(scale))),
        "no guidance": Variant(replace(settings, guidance=NoCFG())),
        "student": Variant(replace(settings, guidance=NoCFG(), steps=STUDENT_STEPS)),
    }
    for window in (8, 4):
        if window in WINDOW and window < settings.window:
            found[f"window {window}"] = Variant(replace(settings, window=window))
    found["compiled"] = Variant(settings, "default")
    if on_gpu:
        found["CUDA graphs"] = Variant(settings, "reduce-overhead")
        found["float8"] = Variant(settings, "default", float8=True)
        student = found["student"].settings
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
    original: nn.Module = pipe.transformer
    changed = original
    if variant.float8:
        changed = _in_float8(copy.deepcopy(original))
    if variant.compiled:
        changed = torch.compile(changed, mode=variant.compiled)  # type: ignore[assignment]
    pipe.transformer = changed  # type: ignore[assignment]
    try:
        yield
    finally:
        pipe.transformer = original  # type: ignore[assignment]
        torch.compiler.reset()


def _in_float8(model: nn.Module) -> nn.Module:
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, quantize_
    except ImportError as error:
        raise InputError("float8 needs the package torchao; install it, or leave float8 out") from error
    quantize_(model, Float8DynamicActivationFloat8WeightConfig())
    return model
