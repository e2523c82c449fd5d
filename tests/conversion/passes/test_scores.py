"""Float epilogues: what folds without a rounding folds, batch norm folds with its difference measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit import models
from onebit.conversion import convert, passes
from onebit.conversion._layer import layer_of
from onebit.runtime import load

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
        (lambda y: -y, []),
        (lambda y: 3 - y, []),
        (lambda y: y / 4 + C, []),
        (lambda y: y * C + y, ["mul", "add"]),
        (lambda y: F.relu(y * C), ["relu"]),
        (lambda y: y * y, ["mul"]),
        (lambda y: 3 / y, ["reciprocal", "mul"]),
        (lambda y: y - C - 1e8 + 1e8, ["sub", "add"]),
        (lambda y: y * 1e30 * 1e30, ["mul"]),
    ],
)
def test_scales_and_shifts_fold_bit_for_bit(
    function: Callable[[Tensor], Tensor], left: list[str], captured: Any
) -> None:
    module = folded(captured, function)
    assert targets(module) == ["pack", "dense_float", *left]
    assert torch.equal(module(X), function(F.linear(X, WEIGHT)))


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda y: F.batch_norm(y, *NORM), "batch norm (one rounding more)"),
        (lambda y: F.batch_norm(y * C, *NORM), "mul, batch_norm in turn (other roundings)"),
        (lambda y: F.batch_norm(y + C, *NORM), "add, batch_norm in turn (other roundings)"),
        (lambda y: (y - C) * (C * D) + D, "sub, mul, add in turn (other roundings)"),
        (lambda y: y * C * D, "mul, mul in turn (other roundings)"),
        (lambda y: y + C + D, "add, add in turn (other roundings)"),
        (lambda y: (y + C) * D, "add, mul in turn (other roundings)"),
        (lambda y: (C - y) / 3, "sub, div in turn (other roundings)"),
        (lambda y: torch.add(C, y, alpha=0.3), "add in turn (other roundings)"),
    ],
)
def test_other_affine_chains_fold_within_the_tolerance_that_they_note(
    function: Callable[[Tensor], Tensor], names: str, captured: Any
) -> None:
    module = folded(captured, function)
    assert targets(module) == ["pack", "dense_float"]
    (layer,) = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    y = torch.arange(-K, K + 1, 2).float()[:, None].expand(-1, N).contiguous()
    expected = function(y)
    worst = float((y * layer.scale + layer.bias - expected).abs().max())
    assert layer.tolerance == worst < 1e-6 * float(expected.abs().max())
    assert (f"scores within {worst:.2g} of {names}, " in layer.note) is (worst > 0)


def test_chains_behind_maps_fold_through_the_permute(captured: Any) -> None:
    weight, x = WEIGHT[:, :18].reshape(N, 2, 3, 3), X[:4, :98].reshape(4, 2, 7, 7)
    c, d = C.view(-1, 1, 1), D.view(-1, 1, 1)
    module = captured(lambda x: (F.conv2d(signs(x), weight) - c) * d + c, x)
    expected = module(x)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_conv, passes.fold_epilogue):
        module = step(module)
    assert [name for name in targets(module) if name != "permute"] == ["pack", "conv2d_float"]
    (layer,) = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    assert 0 < float((module(x) - expected).abs().max()) <= layer.tolerance < 1e-5


@pytest.mark.parametrize("shape", [(4, N), (4, N, 3), (4, N, 3, 2)])
def test_float_batch_norm_becomes_a_product_and_a_sum(shape: tuple[int, ...], captured: Any) -> None:
    module = captured(lambda y: F.batch_norm(y, *NORM), torch.zeros(shape))
    for step in (*passes.CLEANING, passes.expand_batch_norm):
        module = step(module)
    assert targets(module) == ["mul", "add"]
    y = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(module(y), F.batch_norm(y, *NORM), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", ["vanilla", "theano", "shift"])
def test_every_batch_norm_of_the_paper_goes_into_the_scores(norm: str, tmp_path: Path) -> None:
    net = models.create("mlp", hidden=(65, 64), inputs=30, batch_norm=norm).eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*net.named_buffers(), *net.named_parameters()]:
        if tensor.ndim == 1:  # statistics, factors and shifts
            tensor.data = torch.randn(len(tensor), generator=generator)
            tensor.data = tensor.abs() + 0.1 if "var" in name or "std" in name else tensor
    x = torch.randint(0, 256, (300, 30), dtype=torch.uint8, generator=generator)
    packed = convert(net, x)
    assert [layer.operator for layer in packed.layers()] == ["dense_u8_bits", "dense_bits", "dense_float"]
    assert "one call of the library runs the 3 operators" in packed.explain()
    assert "scores within" in packed.layers()[-1].note
    with torch.no_grad():
        assert torch.allclose(packed(x), net(x), rtol=1e-6, atol=1e-4)
    packed.save(tmp_path / "net.onnx")
    assert torch.equal(load(tmp_path / "net.onnx")(x), packed(x))
