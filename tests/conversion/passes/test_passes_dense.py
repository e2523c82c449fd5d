"""Binary products: dense operators give linear's numbers, and what is refused says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes
from onebit.conversion._layer import layer_of

N, K = 7, 70
GENERATOR = torch.Generator().manual_seed(0)
SIGNS = torch.where(torch.randn(N, K, generator=GENERATOR) < 0, -1.0, 1.0)
BIAS = torch.randn(N, generator=GENERATOR)
X = torch.randn(40, K, generator=GENERATOR)
PIXELS = torch.randint(0, 256, (40, K), dtype=torch.uint8, generator=GENERATOR)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def matched(captured: Any, function: Callable[[Tensor], Tensor], x: Tensor) -> fx.GraphModule:
    module = captured(lambda x: function(x), x)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_dense):
        module = step(module)
    return module


EXACT: list[tuple[Callable[[Tensor], Tensor], Tensor, str]] = [
    (lambda x: F.linear(signs(x), SIGNS), X, "onebit.dense_float.default"),
    (lambda x: F.linear(signs(x), SIGNS, BIAS.mul(4).round()), X, "onebit.dense_float.default"),
    (lambda x: F.linear(signs(x), SIGNS * 0.25), X, "onebit.dense_float.default"),
    (lambda x: F.linear(-signs(x), SIGNS), X, "onebit.dense_float.default"),
    (lambda x: F.linear(signs(x).view(-1, 1, K), SIGNS).flatten(1) + 0, X, ""),
    (lambda x: F.linear(x.float() * 2 - 255, SIGNS), PIXELS, "onebit.dense_u8_float.default"),
    (lambda x: F.linear(x.float() - 128, SIGNS * 2, BIAS.mul(4).round()), PIXELS, "onebit.dense_u8_float.default"),
]


@pytest.mark.parametrize("case", range(len(EXACT)))
def test_exact_layers_keep_every_bit(case: int, captured: Any) -> None:
    function, x, target = EXACT[case]
    module = matched(captured, function, x)
    assert torch.equal(module(x), function(x))
    layers = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    if target:
        assert [layer.sums.exact for layer in layers] == [True]
        assert target in {str(node.target) for node in module.graph.nodes}


ROUNDING: list[tuple[Callable[[Tensor], Tensor], Tensor, str]] = [
    (lambda x: F.linear(signs(x), SIGNS, BIAS), X, "rounds its bias"),
    (lambda x: F.linear(signs(x), SIGNS * 0.3), X, "rounds sums of scaled weights"),
    (lambda x: F.linear(signs(x), SIGNS * (1 - 6e-8)), X, "weights miss -1 and +1"),
    (lambda x: F.linear((signs(x) - x) + x, SIGNS), X, "signs miss -1 and +1"),
    (lambda x: F.linear(x.float() / 255, SIGNS), PIXELS, "normalised pixels"),
    (lambda x: F.linear(x.float() * 9999, SIGNS), PIXELS, "float32 sums of 70 pixels round"),
]


@pytest.mark.parametrize("case", range(len(ROUNDING)))
def test_layers_where_the_float_model_rounds_say_so(case: int, captured: Any) -> None:
    function, x, note = ROUNDING[case]
    module = matched(captured, function, x)
    (layer,) = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    assert not layer.sums.exact
    assert note in layer.note
    assert torch.allclose(module(x), function(x), rtol=1e-5, atol=1e-5 * float(function(x).abs().max()))


REFUSED: list[tuple[Callable[[Tensor], Tensor], Tensor, str]] = [
    (lambda x: F.linear(signs(x), SIGNS + 0.5), X, "weights are not binary: output 0"),
    (lambda x: F.linear(x, SIGNS), X, "the model takes torch.float32"),
    (lambda x: F.linear(torch.tanh(x), SIGNS), X, "aten.tanh.default) is not binary; put a sign"),
    (lambda x: F.linear(torch.sign(x), SIGNS), X, "torch.sign gives 0 for 0"),
    (lambda x: F.linear((x.float() / 255) ** 2, SIGNS), PIXELS, "not an affine function"),
    (lambda x: F.linear(signs(x), torch.where(x[:1] < 0, -1.0, 1.0)), X, "weights depend on the input"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_stays_float_knows_why(case: int, captured: Any) -> None:
    function, x, reason = REFUSED[case]
    module = matched(captured, function, x)
    (linear,) = [node for node in module.graph.nodes if str(node.target) == "aten.linear.default"]
    assert reason in linear.meta["why"]
    assert torch.equal(module(x), function(x))
