"""Lowering: the passes together keep every bit of a network, as deep as signs go."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion._graph import DENSE, UNPACK, calls
from onebit.conversion._lower import layers_of, lower

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(300, 64, generator=GENERATOR)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def test_a_network_becomes_a_chain_of_bits(captured: Any) -> None:
    sizes = [64, 65, 33, 3]
    weights = [signs(torch.randn(n, k, generator=GENERATOR)) for k, n in pairwise(sizes)]
    norms = [(torch.randn(n, generator=GENERATOR) * 4, torch.rand(n, generator=GENERATOR) + 9) for n in sizes[1:3]]

    def network(x: Tensor) -> Tensor:
        for weight, norm in zip(weights, norms, strict=False):
            x = F.batch_norm(F.linear(signs(x), weight), *norm)
        return F.linear(signs(x), weights[2])

    lowered = lower(captured(network, X))
    assert torch.equal(lowered(X), network(X))
    assert [(layer.sums.k, layer.sums.n) for layer in layers_of(lowered)] == [(64, 65), (65, 33), (33, 3)]
    assert not any(calls(node, UNPACK) for node in lowered.graph.nodes)


def test_signs_that_only_running_reveals_are_found_one_after_the_other(captured: Any) -> None:
    weights = [signs(torch.randn(65, 65, generator=GENERATOR)) for _ in range(4)]

    def network(x: Tensor) -> Tensor:
        x = signs(x)
        for weight in weights:
            x = torch.sign(F.linear(x, weight))  # sums of 65 signs are odd, never 0
        return x * 3

    x = torch.randn(50, 65, generator=GENERATOR)
    lowered = lower(captured(network, x))
    assert torch.equal(lowered(x), network(x))
    assert sum(calls(node, DENSE["bits"]) for node in lowered.graph.nodes) == 3
    assert len(layers_of(lowered)) == 4
