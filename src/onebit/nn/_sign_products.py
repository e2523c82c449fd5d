"""What the two products of signs share: how they read an operand, and how a gradient leaves them.

The operators of _sign_linear.py and _sign_conv2d.py take real tensors and take their signs themselves, so that a sign
never exists as a float in the forward pass. The sums are whole numbers: the forward pass equals that of float32 signs
bit for bit. Importing them loads libonebit; `use_bits` does so on demand, because training works without it.

`backward` says what the backward pass multiplies: "float32" or "bfloat16", torch's products of floats, or "int8",
whole numbers for upstream gradients (see `onebit.ops.sign_gradients`), for which the packed operands are kept.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

import onebit.ops  # noqa: F401  registers torch.ops.onebit.*

Gradients = tuple[Tensor | None, Tensor | None]
"""Those of x and of the weights; None where nobody asks."""

NEAREST = -1  # the rounding of `sign_gradients` without a random number: resuming and repeating need no state


@lru_cache(maxsize=64)
def plain(n: int) -> tuple[Tensor, Tensor]:
    """The scale and bias of sums that stay as they are."""
    ones = torch.ones(n, dtype=torch.float32, device="cpu")  # whatever torch's defaults are at the first call
    return ones, torch.zeros_like(ones)


def backward_dtype(backward: str) -> torch.dtype:
    """The floats that a backward pass of floats multiplies."""
    return torch.bfloat16 if backward == "bfloat16" else torch.float32


def packed(x: Tensor, seed: Tensor | None, axis: int = -1) -> Tensor:
    """The signs of x along its axis, or with a seed signs drawn by its values (see `onebit.ops.stochastic_pack`)."""
    operators = torch.ops.onebit
    if seed is not None:
        words: Tensor = operators.stochastic_pack(x, seed, axis)
    else:
        words = operators.pack(x) if axis == -1 else operators.pack_nchw(x)
    return words


def signs_in(dtype: torch.dtype, words: Tensor, x: Tensor) -> Tensor:
    """sign(x) in dtype from its packed form: three times as fast on CPUs as comparing and converting."""
    signs: Tensor = torch.ops.onebit.unpack(words, x.shape[-1])
    return signs.to(dtype)


def through(upstream: Tensor, x: Tensor, window: bool) -> Tensor:
    """The gradient of x: upstream * (|x| <= 1), or upstream alone, in x's dtype."""
    g = upstream.to(x.dtype)  # first: a product of two dtypes is slow
    return x.detach().abs().le_(1).mul_(g) if window else g
