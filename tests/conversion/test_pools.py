"""Max pools between sums and signs: pools of bits where that is proven, refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes

GENERATOR = torch.Generator().manual_seed(0)
N = 9
WEIGHT = torch.where(torch.randn(N, 3, 2, 2, generator=GENERATOR) < 0, -1.0, 1.0)
GAMMA = torch.tensor([1.0, -1.0, 0.0, 2.0, -0.5, 1.0, -1.0, 0.0, 3.0])
NORM = (torch.randn(N, generator=GENERATOR), torch.rand(N, generator=GENERATOR) + 0.1, GAMMA, torch.linspace(-1, 1, N))
MIXED = torch.linspace(-1, 1, N).reshape(N, 1, 1)
X = torch.randn(7, 3, 9, 8, generator=GENERATOR)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, *NORM)


def pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2)


def packed(captured: Any, function: Callable[[Tensor], Tensor]) -> fx.GraphModule:
    module = captured(lambda x: function(F.conv2d(signs(x), WEIGHT, padding=1)), X)
    for step in (*passes.CLEANING, *passes.RECOGNITION, *passes.PACKING, *passes.PACKING):
        module = step(module)
    return module


def operators(module: fx.GraphModule) -> list[str]:
    return [str(node.target).split(".")[1] for node in module.graph.nodes if str(node.target).startswith("onebit")]


CHAINS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "pool, norm": (1, lambda y: signs(norm(pool(y)))),
    "norm, pool": (1, lambda y: signs(pool(norm(y)))),
    "pool, norm, pool": (2, lambda y: signs(pool(norm(F.max_pool2d(y, 3, 1, 1))))),
    "negated sums": (1, lambda y: signs(norm(pool(-y)))),
    "factors of both signs": (1, lambda y: signs(norm(pool(y * MIXED)))),
    "relu": (1, lambda y: signs(pool(F.relu(norm(y))) - 0.2)),
    "ceil mode": (1, lambda y: signs(norm(F.max_pool2d(y, 3, 2, 1, ceil_mode=True)))),
    "abs of a shifted sum": (1, lambda y: signs(pool((y + 100).abs()) - 100)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_pools_move_behind_the_sign_and_keep_every_bit(name: str, captured: Any) -> None:
    pools, function = CHAINS[name]
    module = packed(captured, function)
    assert operators(module) == ["pack", "conv2d_bits", *["max_pool2d"] * pools, "unpack"]
    assert torch.equal(module(X), function(F.conv2d(signs(X), WEIGHT, padding=1)))


def test_channels_with_negative_gamma_take_the_minimum(captured: Any) -> None:
    module = packed(captured, CHAINS["pool, norm"][1])
    (buffer,) = [value for name, value in module.named_buffers() if name.endswith("minimum")]
    minimum = torch.ops.onebit.unpack(buffer[None], N)[0] < 0
    assert bool((minimum[GAMMA < 0]).all())
    assert not bool((minimum[GAMMA > 0]).any())


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda y: signs(F.max_pool2d(y, 3, 1, 1) + y), "pools sums that are used unpooled as well"),
        (lambda y: signs(F.max_pool2d(y, 2, dilation=2)), "max pool with dilation"),
        (lambda y: signs(pool((y - 1).abs() * 0 + (y - 1).abs()) - 99.0), "rise and fall with its sum"),
    ],
)
def test_pools_without_the_proof_stay(function: Callable[[Tensor], Tensor], reason: str, captured: Any) -> None:
    module = packed(captured, function)
    assert "conv2d_bits" not in operators(module)
    assert any(reason in str(node.meta.get("refused")) for node in module.graph.nodes)
    assert torch.equal(module(X), function(F.conv2d(signs(X), WEIGHT, padding=1)))
