"""One update of shift-based AdaMax, written three ways: tensor by tensor, over lists of tensors, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from onebit.nn._ap2 import leading_power_


@dataclass(frozen=True)
class Constants:
    """What an update does not change; stored: v is kept as the power of two that divides, plus eps."""

    beta1: float
    beta2: float
    eps: float
    stored: bool


BLOCK = 2**18  # values whose p, g, m and v stay in a CPU's cache from one operation to the next


def blocked(p: Tensor, g: Tensor, m: Tensor, v: Tensor, size: float, c: Constants) -> None:
    """`single` block by block on a CPU: each value comes from memory once, and temporaries stay small."""
    if p.device.type != "cpu" or p.numel() <= BLOCK:
        single(p, g, m, v, size, c)
        return
    parts = [torch.split(tensor, BLOCK) for tensor in flat(p, g, m, v)]
    for p_part, g_part, m_part, v_part in zip(*parts, strict=True):
        single(p_part, g_part, m_part, v_part, size, c)


def single(p: Tensor, g: Tensor, m: Tensor, v: Tensor, size: float, c: Constants) -> None:
    """m <- b1 m + (1 - b1) g;  v <- max(b2 v, |g|), perhaps rounded;  p <- p - size * m / AP2(v), all in place."""
    m.lerp_(g, 1 - c.beta1)
    torch.maximum(v.mul_(c.beta2), g.abs(), out=v)
    tiny = torch.finfo(v.dtype).tiny
    divisor = leading_power_(v if c.stored else v.clamp(min=tiny))  # where v is 0, so is m
    if c.stored:
        divisor.add_(c.eps)
    p.addcdiv_(m, divisor, value=-size)


def foreach(
    ps: list[Tensor],
    gs: list[Tensor],
    ms: list[Tensor],
    vs: list[Tensor],
    sizes: list[float],
    c: Constants,
) -> None:
    """`single` for lists: a few launches for all tensors where the device has such kernels."""
    torch._foreach_lerp_(ms, gs, 1 - c.beta1)
    torch._foreach_mul_(vs, c.beta2)
    torch._foreach_maximum_(vs, torch._foreach_abs(gs))
    divisors = vs if c.stored else [v.clamp(min=torch.finfo(v.dtype).tiny) for v in vs]
    for divisor in divisors:
        leading_power_(divisor)
    if c.stored:
        torch._foreach_add_(divisors, c.eps)
    torch._foreach_addcdiv_(ps, ms, divisors, [-size for size in sizes])


@cache
def compiled(c: Constants) -> Callable[..., None]:
    """`single` fused into one pass over memory by torch.compile; the size comes as a tensor, so it may change."""

    def update(p: Tensor, g: Tensor, m: Tensor, v: Tensor, size: Tensor) -> None:
        m.mul_(c.beta1).add_(g * (1 - c.beta1))
        v.copy_(torch.maximum(v * c.beta2, g.abs()))
        divisor = v if c.stored else v.clamp(min=torch.finfo(v.dtype).tiny)
        leading_power_(divisor)
        if c.stored:
            divisor.add_(c.eps)
        p.sub_(size * m / divisor)

    return torch.compile(update, dynamic=True)


def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
    """One-dimensional views, so that one compiled function serves every shape; what has no such view stays."""
    contiguous = all(tensor.is_contiguous() for tensor in tensors)
    return tuple(tensor.view(-1) for tensor in tensors) if contiguous else tensors
