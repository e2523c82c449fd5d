"""Float thresholds are exact to the float: at the threshold, beside it and at random they give the chain's sign."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from onebit.conversion._channels import chain_behind
from onebit.conversion._float_thresholds import FloatFunction, find_float_thresholds
from onebit.conversion._graph import PACK, aten
from onebit.conversion._sums import Sums
from onebit.conversion._thresholds import NotBinary

N = 6
INF = float("inf")


def function(build: Callable[[fx.Graph, fx.Node, Callable[[Tensor], fx.Node]], fx.Node]) -> FloatFunction:
    """x (B, 6) -> build -> pack, as captured nodes with shapes."""
    root, graph = nn.Module(), fx.Graph()
    start = graph.placeholder("x")

    def keep(value: Tensor) -> fx.Node:
        name = f"c{len(list(root.buffers()))}"
        root.register_buffer(name, value)
        return graph.get_attr(name)

    pack = graph.call_function(PACK, (build(graph, start, keep),))
    graph.output(pack)
    module = fx.GraphModule(root, graph)
    for node in graph.nodes:
        if node.op in ("placeholder", "call_function"):
            node.meta["val"] = torch.empty(3, N)
    sums = Sums(3, torch.full((N,), -3), 4, 2, torch.ones(N), torch.zeros(N), "")
    return FloatFunction(module, chain_behind(module, start, 1), pack, sums)


def shifted(graph, x, keep):
    return graph.call_function(aten.add.Tensor, (x, keep(torch.linspace(-0.3, 0.2, N))))


def normalised(graph, x, keep):
    gamma = torch.tensor([0.3, -0.7, 1e-3, -2.0, 0.0, 0.0])
    beta = torch.tensor([0.1, 0.2, -0.3, 0.0, 0.5, -0.5])
    names = (gamma, beta, torch.linspace(-1, 1, N), torch.linspace(0.1, 3, N))
    return graph.call_function(aten.batch_norm.default, (x, *map(keep, names), False, 0.1, 1e-5, False))


def prelu_shifted(graph, x, keep):
    y = graph.call_function(aten.prelu.default, (x, keep(torch.tensor([0.25]))))
    return graph.call_function(aten.add.Tensor, (y, 0.1))


def clamped(graph, x, keep):
    y = graph.call_function(aten.clamp.default, (x, -0.5, 0.5))
    return graph.call_function(aten.sub.Tensor, (y, keep(torch.tensor([0.1, -0.1, 0.5, -0.5, 0.6, -0.6]))))


@pytest.mark.parametrize("build", [lambda _, x, _keep: x, shifted, normalised, clamped])
def test_the_threshold_gives_the_sign_of_the_captured_nodes_everywhere(build):
    found = function(build)
    threshold, direction = find_float_thresholds(found)
    beside = [torch.nextafter(threshold, torch.tensor(end)) for end in (INF, -INF)]
    draws = torch.randn(300, N, generator=torch.Generator().manual_seed(0)) * 2.0 ** torch.arange(-40, 20, 0.2)[:, None]
    zeros = torch.tensor([0.0, -0.0])[:, None].expand(2, N)
    rows = torch.cat([torch.stack([threshold, *beside]).clamp(-1e30, 1e30), draws, zeros])
    expected = found(rows) < 0
    assert torch.equal(torch.where(direction > 0, rows < threshold, rows > threshold), expected)


def test_the_sign_itself_turns_at_zero():
    threshold, direction = find_float_thresholds(function(lambda _, x, _keep: x))
    assert threshold.tolist() == [0.0] * N
    assert direction.tolist() == [1] * N


def test_constant_channels_have_thresholds_that_no_number_passes():
    threshold, direction = find_float_thresholds(function(normalised))
    assert threshold[4:].tolist() == [-INF, INF]
    assert direction.tolist() == [1, -1, 1, -1, 1, 1]


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (prelu_shifted, "no proof that prelu"),
        (lambda graph, x, _keep: graph.call_function(aten.mul.Tensor, (x, x)), "no proof that mul"),
        (lambda graph, x, _keep: graph.call_function(aten.mul.Tensor, (x, 1e30)), "overflows"),
    ],
)
def test_what_is_not_proved_monotone_and_finite_is_refused(build, match):
    with pytest.raises(NotBinary, match=match):
        find_float_thresholds(function(build))
