"""Flattening moves behind what follows it; no number changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from onebit.conversion import passes

X = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
ROW = torch.arange(120.0)


def flattened(captured: Any, function: Callable[[Tensor], Tensor]) -> tuple[list[str], Tensor]:
    module = captured(function, X)
    for step in passes.CLEANING:
        module = step(module)
    return [str(n.target).split(".")[1] for n in module.graph.nodes if n.op == "call_function"], module(X)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: torch.where(x.flatten(1) < 0, -1.0, 1.0), ["lt", "where", "reshape"]),
        (lambda x: x.flatten(1).clamp(-1, 1) * 2, ["clamp", "mul", "reshape"]),
        (lambda x: x.flatten(1) * (x + 1).flatten(1), ["add", "mul", "reshape"]),
    ],
)
def test_scalar_operators_are_done_on_the_map(
    function: Callable[[Tensor], Tensor], names: list[str], captured: Any
) -> None:
    found, result = flattened(captured, function)
    assert found == names
    assert torch.equal(result, function(X))


@pytest.mark.parametrize(
    "function", [lambda x: x.flatten(1) * ROW, lambda x: x.flatten(1) + x.flatten(1).sum(1, keepdim=True)]
)
def test_operators_that_know_places_stay_behind(function: Callable[[Tensor], Tensor], captured: Any) -> None:
    found, result = flattened(captured, function)
    assert found.index("reshape") == 0
    assert torch.equal(result, function(X))
