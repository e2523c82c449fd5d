"""AP2, the nearest power of two: what turns products into shifts."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from onebit._errors import DtypeError, OptionError

Rounding = Literal["nearest", "floor"]

# dtype -> integer of its size, bits of its fraction
_FORMATS = {
    torch.float64: (torch.int64, 52),
    torch.float32: (torch.int32, 23),
    torch.float16: (torch.int16, 10),
    torch.bfloat16: (torch.int16, 7),
}


def ap2(x: Tensor, rounding: Rounding = "nearest") -> Tensor:
    """AP2(x) = sign(x) * 2**round(log2|x|), AP2(0) = 0; same shape and dtype as x.

    rounding: "nearest" rounds in the log domain, so it switches at sqrt(2) * 2**k (AP2(3) = 4, AP2(1.4) = 1), exactly
    for every float; "floor" takes the leading bit of |x|. Infinite and NaN stay what they are.
    The derivative is taken as 1. Raises OptionError for another rounding, DtypeError for integers.
    Source: arXiv:1602.02830.
    """
    check_rounding("ap2", rounding)
    if x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_exporting():
        y: Tensor = _StraightThrough.apply(x, rounding)  # type: ignore[no-untyped-call]
        return y
    return _exact(x, rounding)


def leading_power(x: Tensor, rounding: Rounding = "nearest") -> Tensor:
    """AP2 in two integer operations for large tensors: subnormals become 0 or the least normal number, NaN is lost.

    In an IEEE format the fraction is the tail of the word, so adding what it lacks to its first value above sqrt(2)
    carries into the exponent just where log2 rounds up, and cutting the fraction leaves the power of two.
    """
    word, fraction, carry = _layout(x.dtype)
    bits = x.view(word)
    if rounding == "nearest":
        bits = bits + carry
    return (bits & -(1 << fraction)).view(x.dtype)


def leading_power_(x: Tensor) -> Tensor:
    """`leading_power`, nearest, in place."""
    word, fraction, carry = _layout(x.dtype)
    x.view(word).add_(carry).bitwise_and_(-(1 << fraction))
    return x


def check_rounding(who: str, rounding: str) -> None:
    """OptionError unless it is one of the two ways."""
    if rounding not in get_args(Rounding):
        raise OptionError(f"{who}: rounding is {rounding!r}. Expected 'nearest' or 'floor'.")


def _layout(dtype: torch.dtype) -> tuple[torch.dtype, int, int]:
    """(integer of its size, bits of its fraction, what the least fraction above sqrt(2) lacks to the next power)."""
    if dtype not in _FORMATS:
        raise DtypeError(f"ap2: the tensor has dtype {dtype}. Expected one of {', '.join(map(str, _FORMATS))}.")
    word, fraction = _FORMATS[dtype]
    return word, fraction, (2 << fraction) - (math.isqrt(2 << 2 * fraction) + 1)


def _exact(x: Tensor, rounding: Rounding) -> Tensor:
    _, fraction, _ = _layout(x.dtype)
    small = x.abs() < torch.finfo(x.dtype).tiny  # subnormal: scaled into the normal range and back, both exact
    power = leading_power(torch.where(small, x * 2.0 ** (fraction + 1), x), rounding)
    power = torch.where(small, power * 2.0 ** -(fraction + 1), power)
    return torch.where(x.isnan(), x, power)


class _StraightThrough(torch.autograd.Function):
    """y = AP2(x); dL/dx = dL/dy."""

    @staticmethod
    def forward(x: Tensor, rounding: Rounding) -> Tensor:
        return _exact(x, rounding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Rounding], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return upstream, None
