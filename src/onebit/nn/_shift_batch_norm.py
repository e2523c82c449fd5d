"""Shift-based batch normalisation: every product by a number that is not a sum becomes a shift."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from onebit.nn._across_processes import mean_over_processes
from onebit.nn._ap2 import Rounding, ap2, check_rounding, leading_power
from onebit.nn._inverse_std_norm import InverseStdNorm


class _ShiftBatchNorm(InverseStdNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.125,
        affine: bool = True,
        *,
        bias: bool = True,
        rounding: Rounding = "nearest",
    ) -> None:
        check_rounding(type(self).__name__, rounding)
        super().__init__(num_features, eps, momentum, affine, bias)
        self.rounding: Rounding = rounding

    def normalize(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(y, mean, un-rounded inverse standard deviation) of a batch."""
        gamma = torch.ones_like(self.running_mean) if self.weight is None else self.weight
        beta = torch.zeros_like(self.running_mean) if self.bias is None else self.bias
        dims, shape = _axes(x)
        with torch.no_grad():
            mean = self.pooled(x.mean(dims))  # (C,)
            centred = x - mean.view(shape)
            power = leading_power(centred, self.rounding)  # AP2(C); the products of its subnormals vanish anyway
            inv_std = 1 / torch.sqrt(self.pooled(centred.mul_(power).mean(dims)) + self.eps)  # (C,)
        options = (self.rounding, self.synchronised)
        y: Tensor = _Shift.apply(x, gamma, beta, mean, inv_std, power, *options)  # type: ignore[no-untyped-call]
        return y, mean, inv_std

    def evaluate(self, x: Tensor) -> Tensor:
        """y by the running statistics; AP2 is taken of the averaged inverse standard deviation."""
        factor = ap2(self.running_inv_std, self.rounding)
        if self.weight is not None:
            factor = factor * ap2(self.weight, self.rounding)
        y = (x - self.spread(self.running_mean, x.ndim)) * self.spread(factor, x.ndim)
        return y if self.bias is None else y + self.spread(self.bias, x.ndim)


class ShiftBatchNorm2d(_ShiftBatchNorm):
    """Batch norm over (N, C, H, W) whose products are shifts: by powers of two only.

    Over the m values of a channel, with C = x - mean(x):
        var  = mean(C * AP2(C))            one factor is a power of two, so var is 1.5 % to 2.5 % high on a Gaussian
        s    = AP2(1 / sqrt(var + eps))    so the output's deviation lies in [0.7, 1.42) times |AP2(gamma)|
        y    = C * s * AP2(gamma) + beta
    In evaluation the mean is running_mean and s = AP2(running_inv_std); running_inv_std averages the un-rounded
    1 / sqrt(var + eps).

    Backward: the gradient of the authors' Torch code (the paper prints none), which replaces C by AP2(C):
        dL/dx     = AP2(gamma) * s * (dy - mean(dy) - AP2(C) * s**2 * mean(AP2(C) * dy))
        dL/dgamma = sum(dy * AP2(C * s)),  dL/dbeta = sum(dy)
    and in evaluation mode plain derivatives, with that of AP2 taken as 1.

    momentum: weight of the new batch; 0.125 is a shift too.
    affine: gamma (starts at 1) and, with bias=True, beta (starts at 0, added as it is, as in the authors' code).
        bias=False is the paper's algorithm box, which has no beta.
    rounding: of every AP2; "nearest" is the paper's and its code's, "floor" takes the leading bit, as hardware would.
    Statistics start at mean 0 and inverse deviation 1 (the authors' spatial layer starts the latter at 0).
    Raises OptionError, or ShapeError for another input. Sources: arXiv:1602.02830, arXiv:1609.07061.
    """

    ranks = {4: "(N, C, H, W)"}


class ShiftBatchNorm1d(_ShiftBatchNorm):
    """`ShiftBatchNorm2d` for (N, C) or (N, C, L): the same formulas, gradient and options."""

    ranks = {2: "(N, C)", 3: "(N, C, L)"}


class _Shift(torch.autograd.Function):
    """y = C * s * AP2(gamma) + beta, with the gradient of `ShiftBatchNorm2d`. power: AP2(C); inv_std: not rounded."""

    @staticmethod
    def forward(
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        mean: Tensor,
        inv_std: Tensor,
        power: Tensor,  # noqa: ARG004  for the backward pass
        rounding: Rounding,
        synchronised: bool,  # noqa: ARG004  for the backward pass
    ) -> Tensor:
        _, shape = _axes(x)
        factor = ap2(inv_std, rounding) * ap2(gamma, rounding)
        return (x - mean.view(shape)).mul_(factor.view(shape)).add_(beta.view(shape))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        _, gamma, _, _, inv_std, power, ctx.rounding, ctx.synchronised = inputs
        ctx.save_for_backward(power, inv_std, gamma)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        power, inv_std, gamma = ctx.saved_tensors
        dims, shape = _axes(dy)
        s, count = ap2(inv_std, ctx.rounding), dy.numel() // dy.shape[1]
        beta, correlation = dy.sum(dims), (power * dy).sum(dims)
        means = torch.stack([beta, correlation]) / count
        mean, mean_correlation = mean_over_processes(means) if ctx.synchronised else means
        dx = dy - mean.view(shape) - power * (s * s * mean_correlation).view(shape)
        dx = dx.mul_((s * ap2(gamma, ctx.rounding)).view(shape))
        return dx, s * correlation, beta, None, None, None, None, None


def _axes(x: Tensor) -> tuple[list[int], list[int]]:
    """(all dimensions but the channels, the shape that spreads (C,) over them)."""
    return [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
