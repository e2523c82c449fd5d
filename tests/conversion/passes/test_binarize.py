"""Finding signs: each way to write one, and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion import passes
from onebit.conversion._graph import PACK, calls

EDGES = torch.tensor([-torch.inf, -1e30, -1.0, -1e-45, -0.0, 0.0, 1e-45, 0.5, 1.0, 1e30, torch.inf]).repeat(3, 1)

BINARY: dict[str, Callable[[Tensor], Tensor]] = {
    "lt": lambda x: torch.where(x < 0, -1.0, 1.0),
    "ge": lambda x: torch.where(x >= 0, 1.0, -1.0),
    "gt": lambda x: torch.where(x > 0, 1.0, -1.0),
    "le": lambda x: torch.where(x <= 0, -1.0, 1.0),
    "inverted": lambda x: torch.where(x >= 0, -1.0, 1.0),
    "against a tensor": lambda x: torch.where(x < torch.tensor(0.0), torch.full_like(x, -1.0), torch.ones_like(x)),
    "integers": lambda x: ((x >= 0).to(torch.int32) * 2 - 1).float(),
    "logical": lambda x: torch.logical_not(x < 0).float().mul(2).sub(1),
    "filled": lambda x: torch.ones_like(x).masked_fill(x < 0, -1.0),
    "sign of sign": lambda x: (x.sign() + 0.5).sign(),
    "two masks": lambda x: (x > 0).float() - (x < 0).float() + (x == 0).float(),
    "negated": lambda x: -torch.where(x < 0, 1.0, -1.0),
}
OTHER: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.sign": torch.sign,
    "zeros and ones": lambda x: (x >= 0).float(),
    "another threshold": lambda x: torch.where(x < 0.5, -1.0, 1.0),
    "another level": lambda x: torch.where(x < 0, -1.0, 2.0),
    "two inputs": lambda x: torch.where((x < 0) & (x.flip(1) < 0), -1.0, 1.0),
    "magnitude": lambda x: torch.where(x < 0, -1.0, x),
}


NORMAL = torch.randn(50, 11, generator=torch.Generator().manual_seed(0))


def recognised(captured: Any, function: Callable[[Tensor], Tensor], example: Tensor = EDGES) -> Any:
    module = captured(lambda x: function(x), example)
    for step in (*passes.CLEANING, *passes.RECOGNITION):
        module = step(module)
    return module


def packs(module: Any) -> int:
    return sum(calls(node, PACK) for node in module.graph.nodes)


@pytest.mark.parametrize("name", BINARY)
def test_every_binary_expression_is_one_pack_with_the_same_values(name: str, captured: Any) -> None:
    module = recognised(captured, BINARY[name])
    assert packs(module) == 1
    assert torch.equal(module(EDGES), BINARY[name](EDGES))
    assert not any("where" in str(node.target) or "sign" in str(node.target) for node in module.graph.nodes)


@pytest.mark.parametrize("name", OTHER)
def test_what_is_not_binary_stays(name: str, captured: Any) -> None:
    module = recognised(captured, OTHER[name])
    assert packs(module) == 0
    assert torch.equal(module(EDGES), OTHER[name](EDGES))


def test_a_sign_used_twice_is_packed_once(captured: Any) -> None:
    module = recognised(captured, lambda x: torch.where(x < 0, -1.0, 1.0) * 2 + torch.where(x >= 0, 1.0, -1.0))
    assert packs(module) == 1


@pytest.mark.parametrize(
    "surrogate",
    [
        lambda s, t: (s - t).detach() + t,
        lambda s, t: t + (s - t).detach(),
        lambda s, t: s.detach() - t.detach() + t,
        lambda s, t: (s + t) - t.detach(),
        lambda s, t: (t + s) - t.detach(),
    ],
)
def test_surrogates_are_cancelled_and_marked(surrogate: Callable[[Tensor, Tensor], Tensor], captured: Any) -> None:
    def function(x: Tensor) -> Tensor:
        return surrogate(torch.where(x < 0, -1.0, 1.0), F.hardtanh(x))

    module = recognised(captured, function)
    assert torch.equal(module(NORMAL), torch.where(NORMAL < 0, -1.0, 1.0))
    assert any(node.meta.get("rounded") for node in module.graph.nodes)
    assert torch.allclose(module(NORMAL), function(NORMAL), atol=1e-6)


def test_what_does_not_cancel_stays(captured: Any) -> None:
    for function in (
        lambda x: (torch.where(x < 0, -1.0, 1.0) - x) + 2 * x,
        lambda x: (x - torch.where(x < 0, -1.0, 1.0)) + x,
        lambda x: (x - x.abs()) + x.abs(),
        lambda x: torch.add(torch.where(x < 0, -1.0, 1.0) - x, x, alpha=2),
    ):
        module = recognised(captured, function, NORMAL)
        assert torch.allclose(module(NORMAL), function(NORMAL), atol=1e-6)
        assert not any(node.meta.get("rounded") for node in module.graph.nodes)
