"""Thresholds in the graph: dense_bits takes the place of everything between a sum and its sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes

N, K = 65, 64
GENERATOR = torch.Generator().manual_seed(0)
FIRST = torch.where(torch.randn(N, K, generator=GENERATOR) < 0, -1.0, 1.0)
SECOND = torch.where(torch.randn(5, N, generator=GENERATOR) < 0, -1.0, 1.0)
NORM = (torch.randn(N, generator=GENERATOR) * 8, torch.rand(N, generator=GENERATOR) * 64)
AFFINE = (torch.randn(N, generator=GENERATOR), torch.randn(N, generator=GENERATOR))
X = torch.randn(200, K, generator=GENERATOR)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, *NORM, *AFFINE)


def packed(captured: Any, function: Callable[[Tensor], Tensor]) -> fx.GraphModule:
    module = captured(lambda x: function(F.linear(signs(x), FIRST)), X)
    for step in (*passes.CLEANING, *passes.RECOGNITION, *passes.PACKING, *passes.PACKING, *passes.PACKING):
        module = step(module)
    return module


def targets(module: fx.GraphModule) -> list[str]:
    return [str(node.target).split(".")[1] for node in module.graph.nodes if node.op == "call_function"]


CHAINS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch norm": lambda y: signs(norm(y)),
    "hardtanh": lambda y: signs(F.hardtanh(norm(y))),
    "relu": lambda y: signs(F.relu(norm(y))),
    "relu and shift": lambda y: signs(F.relu(norm(y)) - 0.3),
    "prelu": lambda y: signs(F.prelu(norm(y), AFFINE[0].abs()) - 0.1),
    "sign of a sign": lambda y: signs(signs(norm(y)) * 3),
    "learned threshold": lambda y: torch.where(y >= AFFINE[0] * 4, 1.0, -1.0),
    "torch.sign without ties": lambda y: torch.sign(norm(y)),
    "torch.tanh": lambda y: signs(torch.tanh(norm(y)) - 0.2),
    "negated": lambda y: -signs(norm(y)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_between_two_products_becomes_one_operator(name: str, captured: Any) -> None:
    function = CHAINS[name]
    module = packed(captured, lambda y: F.linear(function(y), SECOND))
    assert targets(module) == ["pack", "dense_bits", "dense_float"]
    assert torch.equal(module(X), F.linear(function(F.linear(signs(X), FIRST)), SECOND))


def test_signs_that_leave_the_network_are_unpacked(captured: Any) -> None:
    module = packed(captured, CHAINS["batch norm"])
    assert targets(module) == ["pack", "dense_bits", "unpack"]
    assert torch.equal(module(X), CHAINS["batch norm"](F.linear(signs(X), FIRST)))


def test_sums_that_are_also_used_as_numbers_stay(captured: Any) -> None:
    def function(y: Tensor) -> Tensor:
        return F.linear(signs(norm(y)), SECOND) + y[:, :5]

    module = packed(captured, function)
    assert "dense_bits" in targets(module)
    assert torch.equal(module(X), function(F.linear(signs(X), FIRST)))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda y: signs(y.abs() - 9), "changes its sign 2 times"),
        (lambda y: torch.sign(y), "gives 0 for the sum 0"),
    ],
)
def test_what_is_no_threshold_stays_float(function: Callable[[Tensor], Tensor], reason: str, captured: Any) -> None:
    module = packed(captured, lambda y: F.linear(function(y), SECOND))
    assert "dense_bits" not in targets(module)
    assert any(reason in str(node.meta.get("refused")) for node in module.graph.nodes)
    assert torch.equal(module(X), F.linear(function(F.linear(signs(X), FIRST)), SECOND))
