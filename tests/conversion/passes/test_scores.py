"""Float epilogues: what folds without a rounding folds, batch norm folds with its difference measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes
from onebit.conversion._layer import layer_of
from onebit.conversion.passes._scores import batch_norm_affine

N, K = 10, 130
GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.where(torch.randn(N, K, generator=GENERATOR) < 0, -1.0, 1.0)
C, D = torch.randn(2, N, generator=GENERATOR)
NORM = (C, D.abs(), D, C)
X = torch.where(torch.randn(300, K, generator=GENERATOR) < 0, -1.0, 1.0)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def folded(captured: Any, function: Callable[[Tensor], Tensor]) -> fx.GraphModule:
    module = captured(lambda x: function(F.linear(signs(x), WEIGHT)), X)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_dense, passes.fold_epilogue):
        module = step(module)
    return module


def targets(module: fx.GraphModule) -> list[str]:
    return [str(node.target).split(".")[1] for node in module.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda y: y * C, []),
        (lambda y: C * y + D, []),
        (lambda y: y + 3, []),
        (lambda y: y * 0.1 - D, []),
        (lambda y: y * C * D, ["mul"]),
        (lambda y: (y + C) * D, ["mul"]),
        (lambda y: y + C + D, ["add"]),
        (lambda y: 3 - y, ["rsub"]),
        (lambda y: y / 3, ["div"]),
        (lambda y: torch.add(y, C, alpha=2), ["add"]),
        (lambda y: y * C + y, ["mul", "add"]),
        (lambda y: F.relu(y * C), ["relu"]),
        (lambda y: F.batch_norm(y * C, *NORM), ["batch_norm"]),
        (lambda y: F.batch_norm(y + C, *NORM), ["batch_norm"]),
    ],
)
def test_scales_and_shifts_fold_bit_for_bit(
    function: Callable[[Tensor], Tensor], left: list[str], captured: Any
) -> None:
    module = folded(captured, function)
    assert targets(module) == ["pack", "dense_float", *left]
    assert torch.equal(module(X), function(F.linear(X, WEIGHT)))


def test_batch_norm_folds_within_the_tolerance_that_it_notes(captured: Any) -> None:
    module = folded(captured, lambda y: F.batch_norm(y, *NORM))
    assert targets(module) == ["pack", "dense_float"]
    (layer,) = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    y = torch.arange(-K, K + 1, 2).float()[:, None].expand(-1, N).contiguous()
    expected = F.batch_norm(y, *NORM)
    worst = float((y * layer.scale + layer.bias - expected).abs().max())
    assert layer.tolerance == worst < 1e-5 * float(expected.abs().max())
    assert ("scores within" in layer.note) is (worst > 0)


@pytest.mark.parametrize("affine", [True, False])
def test_alpha_and_beta_are_those_of_the_kernel(affine: bool, captured: Any) -> None:
    norm = NORM if affine else NORM[:2]
    module = captured(lambda y: F.batch_norm(y, *norm), torch.zeros(2, N))
    for step in passes.CLEANING:
        module = step(module)
    node = next(node for node in module.graph.nodes if node.op == "call_function")
    alpha, beta = batch_norm_affine(module, node)
    y = torch.randn(50, N, generator=torch.Generator().manual_seed(1)) * 100
    once = (y.double() * alpha.double() + beta.double()).float()
    assert torch.allclose(once, F.batch_norm(y, *norm), rtol=3e-7, atol=1e-6)
    assert torch.allclose(F.batch_norm(torch.zeros(1, N), *norm)[0], beta, rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, N), (4, N, 3), (4, N, 3, 2)])
def test_float_batch_norm_becomes_a_product_and_a_sum(shape: tuple[int, ...], captured: Any) -> None:
    module = captured(lambda y: F.batch_norm(y, *NORM), torch.zeros(shape))
    for step in (*passes.CLEANING, passes.expand_batch_norm):
        module = step(module)
    assert targets(module) == ["mul", "add"]
    y = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(module(y), F.batch_norm(y, *NORM), rtol=1e-5, atol=1e-5)
