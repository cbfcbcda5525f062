"""Losses of the SpeechAE (eq. 7 to 9). S and S_hat are (B, F, H_w, D_A): items, frames, window, channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor


def reconstruction_loss(speech: Tensor, decoded: Tensor) -> Tensor:
    """L_MSE = ||S - S_hat||^2, eq. 7, as a mean over all elements.

    Args:
        speech: S, (B, F, H_w, D_A).
        decoded: S_hat, (B, F, H_w, D_A).

    Returns:
        Scalar.
    """
    return F.mse_loss(decoded, speech)


def similarities(speech: Tensor, decoded: Tensor) -> Tensor:
    """sim(s_hat_i, s_j), the cosine between whole frames, H_w x D_A flattened: (B, F, F) in i and j."""
    s = F.normalize(speech.flatten(2), dim=-1)
    s_hat = F.normalize(decoded.flatten(2), dim=-1)
    return torch.einsum("bid,bjd->bij", s_hat, s)


def contrastive_loss(speech: Tensor, decoded: Tensor, temperature: float, printed: bool = False) -> Tensor:
    """L_CON, eq. 8: every decoded frame against all frames of its item, averaged over the items.

    Args:
        speech: S, (B, F, H_w, D_A); F at least 2 for the printed form.
        decoded: S_hat, (B, F, H_w, D_A).
        temperature: tau.
        printed: False: the usual InfoNCE with all j in the denominator, bounded below by 0. True: eq. 8 as
            the paper prints it, without j = i in the denominator, unbounded below.

    Returns:
        Scalar.
    """
    logits = similarities(speech, decoded) / temperature
    matching = logits.diagonal(dim1=1, dim2=2)
    if printed:
        own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(own, -torch.inf)
    return (logits.logsumexp(dim=2) - matching).mean()


def speech_ae_loss(
    speech: Tensor,
    decoded: Tensor,
    alpha: float = 1.0,
    beta: float = 0.1,
    temperature: float = 0.1,
    printed: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """L_SpeechAE = alpha L_MSE + beta L_CON, eq. 9, and its two terms; arguments as in eq. 7 and 8.

    Returns:
        L_SpeechAE, L_MSE, L_CON, scalars.
    """
    distance = reconstruction_loss(speech, decoded)
    contrast = contrastive_loss(speech, decoded, temperature, printed)
    return alpha * distance + beta * contrast, distance, contrast
