"""Multi-head attention with diffusers' names of LTX-Video; keys and values are reused over steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor, nn

from .rope import apply_rotary


@dataclass(frozen=True)
class KeyValues:
    """Keys and values of a condition in every layer. They do not depend on time, so all steps share them.

    Attributes:
        keys: per layer, text (B, S, heads, d) or speech (B, L, s, heads, d).
        values: per layer, of the same shape.
        mask: (B, S) bool, True for text tokens that count; None: all count.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor | None = None

    @property
    def batch(self) -> int:
        """Number of items B."""
        return self.keys[0].shape[0]

    @property
    def frames(self) -> int:
        """Number of frames L, of speech."""
        return self.keys[0].shape[1]

    def layer(self, index: int) -> tuple[Tensor, Tensor]:
        """Key and value of one layer."""
        return self.keys[index], self.values[index]

    @staticmethod
    def cat(parts: Sequence[KeyValues]) -> KeyValues:
        """Concatenate along the batch. Without a mask all tokens of a part count."""
        mask = None
        if any(part.mask is not None for part in parts):
            mask = torch.cat([part._full_mask() for part in parts])
        return KeyValues(
            tuple(torch.cat(layer) for layer in zip(*(part.keys for part in parts), strict=True)),
            tuple(torch.cat(layer) for layer in zip(*(part.values for part in parts), strict=True)),
            mask,
        )

    def expand(self, batch: int) -> KeyValues:
        """Expand a batch of 1 to ``batch`` items, without copying."""
        if self.batch == batch:
            return self
        return KeyValues(
            tuple(key.expand(batch, *key.shape[1:]) for key in self.keys),
            tuple(value.expand(batch, *value.shape[1:]) for value in self.values),
            None if self.mask is None else self.mask.expand(batch, -1),
        )

    def _full_mask(self) -> Tensor:
        if self.mask is not None:
            return self.mask
        return torch.ones(self.keys[0].shape[:2], dtype=torch.bool, device=self.keys[0].device)


@dataclass(frozen=True)
class Context:
    """What the keys and values of a condition are made of; each block projects its own when it runs.

    For training: no keys and values of all layers are kept for the gradient, and a block's weights are used
    only inside the block.

    Attributes:
        context: text (B, S, D) or speech (B, L, s, d_A).
        mask: (B, S) bool, True for text tokens that count; None: all count.
    """

    context: Tensor
    mask: Tensor | None = None

    @property
    def batch(self) -> int:
        """Number of items B."""
        return self.context.shape[0]

    @property
    def frames(self) -> int:
        """Number of frames L, of speech."""
        return self.context.shape[1]

    def layer(self, _index: int) -> Tensor:
        """The same for every layer."""
        return self.context

    def expand(self, _batch: int) -> Context:
        """Itself: a block expands the keys and values that it projects."""
        return self


class AttentionKernel:
    """softmax(q k^T / sqrt(d)) v through diffusers' backends; ``model.set_attention_backend`` chooses one."""

    _attention_backend: Any = None
    _parallel_config: Any = None

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, shared: bool = False
    ) -> Tensor:
        """Attend.

        Args:
            query: (B, N, heads, d).
            key: (B, S, heads, d).
            value: (B, S, heads, d).
            mask: (B, 1, 1, S) bool, True where a token counts.
            shared: with context parallelism every process has a part of the keys and values, and queries
                attend to all parts.

        Returns:
            (B, N, heads, d).
        """
        parallel = {"parallel_config": self._parallel_config} if shared and self._parallel_config else {}
        out: Tensor = dispatch_attention_fn(
            query, key, value, attn_mask=mask, backend=self._attention_backend, **parallel
        )
        return out


class Attention(nn.Module, AttentionModuleMixin):  # type: ignore[misc]
    """Self- or cross-attention. Queries and keys are normalized over all heads together, as in LTX-Video.

    Args:
        dim: channels of the tokens, heads x head_dim.
        heads: number of heads.
        context_dim: channels of the input of keys and values.
    """

    _default_processor_cls = AttentionKernel
    _available_processors = [AttentionKernel]  # noqa: RUF012
    _supports_qkv_fusion = False
    processor: AttentionKernel

    def __init__(self, dim: int, heads: int, context_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_q = nn.RMSNorm(dim, eps=1e-5)
        self.norm_k = nn.RMSNorm(dim, eps=1e-5)
        self.to_q = nn.Linear(dim, dim)
        self.to_k = nn.Linear(context_dim, dim)
        self.to_v = nn.Linear(context_dim, dim)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.processor = AttentionKernel()

    def forward(
        self,
        x: Tensor,
        context: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
        rotary: Tensor | None = None,
    ) -> Tensor:
        """Attend from x (B, N, D) to ``context``, or to itself.

        Args:
            context: key and value (B, S, heads, d) from `key_value`; None: of x.
            mask: (B, 1, 1, S) bool, True where a token counts.
            rotary: rotates queries and keys of self-attention, see `apply_rotary`.
        """
        query = self.norm_q(self.to_q(x))
        if rotary is not None:
            query = apply_rotary(query, rotary)
        key, value = self.key_value(x, rotary) if context is None else context
        query = query.to(value.dtype).unflatten(-1, (self.heads, -1))
        attended = self.processor(query, key, value, mask, shared=context is None).flatten(2)
        out: Tensor = self.to_out[0](attended)
        return out

    def projected(self, condition: tuple[Tensor, Tensor] | Tensor, batch: int) -> tuple[Tensor, Tensor]:
        """Key and value of a condition: those given, or of its context, for ``batch`` items."""
        if not isinstance(condition, Tensor):
            return condition
        key, value = self.key_value(condition)
        return key.expand(batch, *key.shape[1:]), value.expand(batch, *value.shape[1:])

    def key_value(self, context: Tensor, rotary: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Key and value of ``context`` (..., context_dim), each (..., heads, d)."""
        value = self.to_v(context)
        key = self.norm_k(self.to_k(context))
        if rotary is not None:
            key = apply_rotary(key, rotary)
        return key.to(value.dtype).unflatten(-1, (self.heads, -1)), value.unflatten(-1, (self.heads, -1))
