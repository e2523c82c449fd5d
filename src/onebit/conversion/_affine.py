"""Affine steps: nodes behind a layer that multiply its floats and add to them, by constants of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from onebit.conversion._graph import args_of, aten, calls, constant

_SUMS = (aten.add.Tensor, aten.sub.Tensor, aten.rsub.Scalar)


@dataclass(frozen=True)
class AffineStep:
    """node computes v * factor + shift, with roundings of its own; (n,) float64 each."""

    node: fx.Node
    factor: Tensor
    shift: Tensor

    @property
    def name(self) -> str:
        """What a person calls it: "mul", "batch_norm"."""
        return str(self.node.target).split(".")[1]


def affine_steps(module: fx.GraphModule, chain: Sequence[fx.Node], value: fx.Node, n: int) -> list[AffineStep]:
    """The affine nodes behind value, each of the chain and the only reader of the one in front of it."""
    found: list[AffineStep] = []
    while len(value.users) == 1:
        (node,) = value.users
        step = _step(module, node, value, n) if node in chain else None
        if step is None:
            break
        found.append(step)
        value = node
    return found


def composed(steps: Sequence[AffineStep], scale: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """scale and bias of all steps on y * scale + bias, in float64."""
    scale, bias = scale.double(), bias.double()
    for step in steps:
        scale, bias = scale * step.factor, bias * step.factor + step.shift
    return scale, bias


def batch_norm_affine(module: fx.GraphModule, node: fx.Node) -> tuple[Tensor, Tensor]:
    """alpha, beta of an evaluation-mode batch norm, with the roundings of torch's CPU kernel."""
    gamma, shift, mean, var = (constant(module, arg) for arg in node.args[1:5])
    if mean is None or var is None:
        raise ValueError(f"{node.name} has no running statistics")  # unreachable: capture keeps batch_norm with them
    alpha = torch.rsqrt(var + float(node.args[7])) * (1 if gamma is None else gamma)  # type: ignore[arg-type]
    start = torch.zeros_like(mean) if shift is None else shift
    return alpha, (start.double() - mean.double() * alpha.double()).float()  # one rounding, as fma(-mean, alpha, shift)


def _step(module: fx.GraphModule, node: fx.Node, value: fx.Node, n: int) -> AffineStep | None:
    """node as an affine function of value, None if it is none."""
    one, zero = torch.ones(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    if calls(node, aten.batch_norm.default):
        alpha, beta = batch_norm_affine(module, node)
        return AffineStep(node, alpha.double(), beta.double())
    if calls(node, aten.neg.default):
        return AffineStep(node, -one, zero)
    if not calls(node, aten.mul.Tensor, aten.div.Tensor, *_SUMS):
        return None
    left, right = args_of(node)[:2]
    first = left is value
    other = _vector(module, right if first else left, n)
    if other is None:
        return None
    if calls(node, aten.mul.Tensor):
        return AffineStep(node, other, zero)
    if calls(node, aten.div.Tensor):
        return AffineStep(node, 1 / other, zero) if first else None
    factors = _factors(node)
    mine, others = factors if first else factors[::-1]
    return None if mine is None or others is None else AffineStep(node, mine * one, others * other)


def _factors(node: fx.Node) -> tuple[float, float] | tuple[None, None]:
    """What add, sub and rsub multiply their two operands by."""
    alpha = args_of(node)[2] if len(node.args) > 2 else node.kwargs.get("alpha", 1)
    if not isinstance(alpha, int | float):
        return None, None
    if calls(node, aten.rsub.Scalar):
        return -alpha, 1
    return 1, alpha if calls(node, aten.add.Tensor) else -alpha


def _vector(module: fx.GraphModule, operand: object, n: int) -> Tensor | None:
    """A constant per channel as (n,) float64; numbers are what float32 makes of them."""
    if isinstance(operand, int | float):
        return torch.full((n,), float(operand)).double()
    value = constant(module, operand)
    return None if value is None or value.dtype != torch.float32 else value.reshape(-1).expand(n).double()
