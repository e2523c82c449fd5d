"""Channel functions: what counts as one, and the proof that one is monotone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes
from onebit.conversion._channels import ChannelFunction, chain_behind, why_not_monotone
from onebit.conversion._graph import DENSE, calls
from onebit.conversion._layer import layer_of

N, K = 6, 9
WEIGHT = torch.where(torch.randn(N, K, generator=torch.Generator().manual_seed(0)) < 0, -1.0, 1.0)
PER_CHANNEL = torch.linspace(-2, 2, N)


def behind(captured: Any, function: Callable[[Tensor], Tensor]) -> tuple[fx.GraphModule, list[fx.Node]]:
    module = captured(lambda x: function(F.linear(torch.where(x < 0, -1.0, 1.0), WEIGHT)), torch.zeros(2, K))
    for step in (*passes.CLEANING, passes.recognise_binarize, passes.match_dense):
        module = step(module)
    dense = next(node for node in module.graph.nodes if calls(node, DENSE["float"]))
    return module, chain_behind(module, dense)


CHAINS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "scale and shift": (lambda y: y * PER_CHANNEL + 1, 2),
    "batch norm": (lambda y: F.batch_norm(y, torch.zeros(N), torch.ones(N)), 1),
    "diamond": (lambda y: (y.sign() - y) + y, 3),
    "prelu": (lambda y: F.prelu(y, PER_CHANNEL.abs()), 1),
    "sum over channels": (lambda y: y * 2 + y.sum(1, keepdim=True), 1),
    "constant of another shape": (lambda y: y + torch.ones(N, 1)[:1], 1),
    "batch statistics": (lambda y: F.batch_norm(y, None, None, training=True), 0),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_ends_where_channels_meet_or_chance_enters(name: str, captured: Any) -> None:
    function, length = CHAINS[name]
    assert len(behind(captured, function)[1]) - 1 == length


def test_a_constant_that_differs_between_rows_ends_the_chain(captured: Any) -> None:
    rows, channels = torch.randn(4, 1), PER_CHANNEL.reshape(1, 1, N)
    for shift, length in ((rows, 0), (channels, 1), (torch.tensor([[[2.0]]]), 1)):
        module = captured(lambda x, b=shift: F.linear(torch.where(x < 0, -1.0, 1.0), WEIGHT) + b, torch.zeros(2, 4, K))
        for step in (*passes.CLEANING, passes.recognise_binarize, passes.match_dense):
            module = step(module)
        dense = next(node for node in module.graph.nodes if calls(node, DENSE["float"]))
        assert len(chain_behind(module, dense)) - 1 == length


@pytest.mark.parametrize("name", ["scale and shift", "batch norm", "diamond", "prelu"])
def test_running_a_chain_gives_the_numbers_of_the_network(name: str, captured: Any) -> None:
    module, chain = behind(captured, CHAINS[name][0])
    layer = layer_of(chain[0])
    assert layer is not None
    function = ChannelFunction(module, chain, chain[-1], layer.sums)
    x = torch.where(torch.rand(40, K, generator=torch.Generator().manual_seed(1)) < 0.5, -1.0, 1.0)
    y = (x @ WEIGHT.T).long()
    assert torch.equal(function(y), module(x))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda y: (y * PER_CHANNEL + 1).clamp(-1, 1), ""),
        (lambda y: F.batch_norm(y, torch.zeros(N), torch.ones(N)).relu() / 3, ""),
        (lambda y: (y >= 0).float() * 2 - 1, ""),
        (lambda y: 3 - y, ""),
        (lambda y: torch.where(y > 0, -2.0, 5.0), ""),
        (lambda y: y * y, "mul"),
        (lambda y: y.abs(), "abs"),
        (lambda y: 1 / y, "no proof"),
        (lambda y: torch.where(y < 0, -0.1 * y, y), "where"),
        (lambda y: (y * 1e38 * 1e38).clamp(-1, 1), "overflows"),
    ],
)
def test_monotone_is_said_only_of_what_is_monotone(
    function: Callable[[Tensor], Tensor], reason: str, captured: Any
) -> None:
    module, chain = behind(captured, function)
    layer = layer_of(chain[0])
    assert layer is not None
    found = why_not_monotone(ChannelFunction(module, chain, chain[-1], layer.sums))
    assert reason in found
    assert bool(found) is bool(reason)
