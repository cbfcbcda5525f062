"""A2V-DiT: LTX-Video transformer with audio cross-attention (sec. 3.2, Fig. 1)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.embeddings import PixArtAlphaTextProjection
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import AdaLayerNormSingle
from einops import rearrange
from torch import Tensor, nn

from ..errors import InputError
from ..offload import onloaded
from ..saved_keys import SavedKeys
from .attention import Context, KeyValues
from .block import A2VTransformerBlock, modulate
from .parallel import CONTEXT_PARALLEL_PLAN
from .rope import RotaryEmbedding

TIME_SCALE = 1000.0
"""LTX-Video's time embedding uses 0 .. 1000; only this adapter converts."""


class A2VTransformer3DModel(ModelMixin, SavedKeys, PeftAdapterMixin):  # type: ignore[misc]
    """Velocity of video latents given speech codes, a text embedding and a portrait's latent.

    Parameter names are those of `diffusers.LTXVideoTransformer3DModel`. New are ``audio_attn`` in every block
    (its output projection starts at zero, so it changes nothing before training), ``null_speech`` and
    ``null_reference``.

    Args:
        in_channels: channels C of a latent.
        out_channels: channels of the velocity.
        num_attention_heads: heads per attention.
        attention_head_dim: channels per head; the tokens have D = heads x head_dim.
        num_layers: blocks.
        caption_channels: channels of the text embedding.
        code_dim: channels d_A of a speech code's slot.
        code_slots: slots h_w per speech code.
        causal_coords: latent i is at max(0, 8 i - 7) frames; False: at 8 i (LTX-Video up to 0.9.1).

    Attributes:
        replaced_print: hash of the weights if those of a file took the place of the checkpoint's; else None.
    """

    saved_keys = MappingProxyType({"speech_dim": "code_dim", "speech_slots": "code_slots"})
    _supports_gradient_checkpointing = True
    _no_split_modules = ["A2VTransformerBlock"]  # noqa: RUF012
    _repeated_blocks = ["A2VTransformerBlock"]  # noqa: RUF012
    _skip_layerwise_casting_patterns = ["norm"]  # noqa: RUF012
    _cp_plan = CONTEXT_PARALLEL_PLAN

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(  # noqa: PLR0913
        self,
        in_channels: int = 128,
        out_channels: int = 128,
        num_attention_heads: int = 32,
        attention_head_dim: int = 64,
        num_layers: int = 28,
        caption_channels: int = 4096,
        code_dim: int = 768,
        code_slots: int = 32,
        causal_coords: bool = True,
    ) -> None:
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        self.proj_in = nn.Linear(in_channels, dim)
        self.null_reference = nn.Parameter(torch.empty(dim))
        self.null_speech = nn.Parameter(torch.empty(code_slots, code_dim))
        self.time_embed = AdaLayerNormSingle(dim, use_additional_conditions=False)
        self.caption_projection = PixArtAlphaTextProjection(in_features=caption_channels, hidden_size=dim)
        self.rope = RotaryEmbedding(dim, causal_coords)
        self.transformer_blocks: Any = nn.ModuleList(
            [A2VTransformerBlock(dim, num_attention_heads, code_dim) for _ in range(num_layers)]
        )
        self.norm_out = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(2, dim) / dim**0.5)
        self.proj_out = nn.Linear(dim, out_channels)
        self.gradient_checkpointing = False
        self.replaced_print: str | None = None
        self.reset_additions()

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        speech: KeyValues | Context,
        text: KeyValues | Context,
        reference_mask: Tensor | None = None,
        continuation: Tensor | bool = False,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Velocity v = eps - z_0.

        Args:
            latents: (B, C, L, h, w), z_R first.
            timestep: (B, L), 1 noise .. 0 data, one time per latent.
            speech: from `project_speech` or `speech_context`, B items or 1.
            text: from `project_text` or `text_context`, B items or 1.
            reference_mask: (B,) bool; if False, the learned null token replaces z_R. None: True for all.
            continuation: True for later clips, where z_R does not precede z_1: (B,) bool, or one for all.
            condition: (B, D), added to the time embedding of every latent; from a `Student`. None: nothing.

        Returns:
            (B, C, L, h, w).

        Raises:
            InputError: shapes that do not fit each other.
        """
        batch, _, frames, height, width = latents.shape
        self._check(latents, timestep, speech, text)
        latents = latents.to(self.dtype)
        speech, text = speech.expand(batch), text.expand(batch)
        text_mask = None if text.mask is None else text.mask[:, None, None, :]

        x = self.proj_in(rearrange(latents, "b c f h w -> b f (h w) c"))
        if reference_mask is not None:
            x = self._mask_reference(x, reference_mask)
        rotary = self.rope((frames, height, width), continuation, x.device)

        embedded_time = self._embedded_time(timestep, condition, x.dtype)
        modulation = self.time_embed.linear(self.time_embed.silu(embedded_time))
        modulation = rearrange(modulation, "(b f) (n d) -> b f n d", b=batch, n=6)
        embedded_time = rearrange(embedded_time, "(b f) d -> b f 1 d", b=batch)

        for index, block in enumerate(self.transformer_blocks):
            inputs = (x, modulation, rotary, text.layer(index), text_mask, speech.layer(index))
            if self.gradient_checkpointing and torch.is_grad_enabled():
                x = self._gradient_checkpointing_func(block, *inputs)
            else:
                x = block(*inputs)

        shift, scale = (self.scale_shift_table + embedded_time).chunk(2, dim=2)
        x = self.proj_out(modulate(self.norm_out(x), shift, scale))
        velocity: Tensor = rearrange(x, "b f (h w) c -> b c f h w", h=height)
        return velocity

    def project_text(self, embedding: Tensor, mask: Tensor | None = None) -> KeyValues:
        """Keys and values of a text embedding, for all tokens of a video.

        Args:
            embedding: (B, S, caption_channels).
            mask: (B, S), True or 1 for tokens that count, at least one per item; None: all count.

        Raises:
            InputError: the embedding has other channels, or the mask excludes all tokens of an item.
        """
        return self._key_values("attn2", self.text_context(embedding, mask))

    def text_context(self, embedding: Tensor, mask: Tensor | None = None) -> Context:
        """As `project_text`, but every block projects its own keys and values."""
        if embedding.ndim != 3 or embedding.shape[-1] != self.config.caption_channels:
            raise InputError(
                f"the text embedding is {tuple(embedding.shape)}; "
                f"expected (B, S, {self.config.caption_channels})"
            )
        if mask is not None:
            mask = mask.to(device=embedding.device, dtype=torch.bool)
            if not bool(mask.any(dim=1).all()):
                raise InputError("the text mask excludes all tokens of an item; keep at least one")
            mask = None if bool(mask.all()) else mask
        with onloaded(self):
            return Context(self.caption_projection(embedding.to(self.dtype)), mask)

    def project_speech(self, codes: Tensor, mask: Tensor | None = None) -> KeyValues:
        """Keys and values of speech codes, latent by latent; z_R gets the null code.

        Args:
            codes: (B, f, h_w, d_A), code i for z_i.
            mask: (B,) bool; if False, the null code replaces the whole item. None: True for all.

        Returns:
            Keys and values for L = 1 + f latents.

        Raises:
            InputError: codes of another shape.
        """
        return self._key_values("audio_attn", self.speech_context(codes, mask))

    def speech_context(self, codes: Tensor, mask: Tensor | None = None) -> Context:
        """As `project_speech`, but every block projects its own keys and values."""
        slots = (self.config.code_slots, self.config.code_dim)
        if codes.ndim != 4 or codes.shape[2:] != slots:
            raise InputError(
                f"the speech codes are {tuple(codes.shape)}; expected (B, f, {slots[0]}, {slots[1]})"
            )
        codes = codes.to(self.dtype)
        with onloaded(self):
            null = self.null_speech.to(self.dtype)
            if mask is not None:
                codes = torch.where(mask.to(codes.device)[:, None, None, None], codes, null)
            return Context(torch.cat([null.expand(codes.shape[0], 1, -1, -1), codes], dim=1))

    def project_null_speech(self, frames: int) -> KeyValues:
        """Result of `project_speech` for one item without speech, with ``frames`` = L latents (z_R included).

        Projects one code and expands it L times, without copying.
        """
        with onloaded(self):
            context = self.null_speech.to(self.dtype)[None, None]
            null = self._key_values("audio_attn", Context(context))
        return KeyValues(
            tuple(key.expand(-1, frames, -1, -1, -1) for key in null.keys),
            tuple(value.expand(-1, frames, -1, -1, -1) for value in null.values),
        )

    def reset_additions(self) -> None:
        """Initialize what LTX-Video lacks: audio branches with output at zero, and the null tokens."""
        nn.init.normal_(self.null_reference, std=0.02)
        nn.init.normal_(self.null_speech, std=0.02)
        for block in self.transformer_blocks:
            for module in block.audio_attn.modules():
                if isinstance(module, nn.Linear | nn.RMSNorm):
                    module.reset_parameters()
            nn.init.zeros_(block.audio_attn.to_out[0].weight)
            nn.init.zeros_(block.audio_attn.to_out[0].bias)

    def _embedded_time(self, timestep: Tensor, condition: Tensor | None, dtype: torch.dtype) -> Tensor:
        """(B L, D): the embeddings of times (B, L), plus ``condition`` (B, D) for all times of an item."""
        embedded: Tensor = self.time_embed.emb(
            timestep.flatten().float() * TIME_SCALE,
            resolution=None,
            aspect_ratio=None,
            batch_size=None,
            hidden_dtype=dtype,
        )
        if condition is None:
            return embedded
        return embedded + condition.to(embedded).repeat_interleave(timestep.shape[1], dim=0)

    def _mask_reference(self, x: Tensor, reference_mask: Tensor) -> Tensor:
        """Replace z_R's tokens by the null token if ``reference_mask`` (B,) is False; x (B, L, h w, D)."""
        null = self.null_reference.to(x.dtype)
        reference = torch.where(reference_mask.to(x.device)[:, None, None, None], x[:, :1], null)
        return torch.cat([reference, x[:, 1:]], dim=1)

    def _key_values(self, attention: str, made_of: Context) -> KeyValues:
        """Keys and values in the named attention of every block."""
        projected = []
        for block in self.transformer_blocks:
            with onloaded(block):
                projected.append(getattr(block, attention).key_value(made_of.context))
        keys, values = zip(*projected, strict=True)
        return KeyValues(keys, values, made_of.mask)

    def _check(
        self, latents: Tensor, timestep: Tensor, speech: KeyValues | Context, text: KeyValues | Context
    ) -> None:
        batch, channels, frames = latents.shape[:3]
        if channels != self.config.in_channels:
            raise InputError(
                f"the latents have {channels} channels; this model expects {self.config.in_channels}"
            )
        if timestep.shape != (batch, frames):
            raise InputError(
                f"the times are {tuple(timestep.shape)}; expected one per latent, ({batch}, {frames})"
            )
        if speech.frames != frames:
            raise InputError(f"speech covers {speech.frames} latents, but there are {frames} (z_R counted)")
        for name, condition in (("speech", speech), ("text", text)):
            if condition.batch not in (1, batch):
                raise InputError(
                    f"{name} has {condition.batch} items, the latents {batch}; expected as many, or 1"
                )
