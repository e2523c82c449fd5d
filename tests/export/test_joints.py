"""Joined bits: where a graph says so, in either way, and where it must be left to torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import onebit
from onebit.export._chains import Chain, chains
from onebit.nn import BinaryConv2d, Pixels
from onebit.ops._network import STEPS, Step


def picture_model(sizes: tuple[int, ...]) -> onebit.runtime.PackedModel:
    """Branches of so many channels, joined, and a layer behind them."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pixels = Pixels()
            made = (nn.Sequential(BinaryConv2d(3, n, 3), nn.BatchNorm2d(n)) for n in sizes)
            self.branches = nn.ModuleList(made)
            self.behind = BinaryConv2d(sum(sizes), 9, 3, input_quantizer="sign")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pixels(x)
            y: torch.Tensor = self.behind(torch.cat([one(x) for one in self.branches], dim=1)).mean((2, 3))
            return y

    torch.manual_seed(0)
    return onebit.convert(Branches().eval(), torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8))


@pytest.mark.parametrize("sizes", [(64, 21), (64, 128, 5), (40, 21), (7, 64, 64)])
def test_joined_bits_stay_in_the_chain(sizes):
    packed = picture_model(sizes)
    (chain,) = chains(packed.graph_module, packed.values)
    assert chain.network is not None
    steps = [step.op for step in chain.network.steps]
    assert steps == [STEPS["transpose"], *[STEPS["conv2d_u8"]] * len(sizes), STEPS["join"], STEPS["conv2d"]]
    for batch in (1, 3, 0):
        x = torch.randint(0, 256, (batch, 3, 9, 8), dtype=torch.uint8)
        assert torch.equal(packed(x), packed.graph_module(x))


def test_more_joined_values_than_a_step_takes_are_joined_by_torch():
    packed = picture_model((64,) * 9)
    assert all(
        step.op != STEPS["join"] for chain in chains(packed.graph_module, packed.values) for step in steps(chain)
    )
    x = torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8)
    assert torch.equal(packed(x), packed.graph_module(x))


def steps(chain: Chain) -> list[Step]:
    assert chain.network is not None
    return list(chain.network.steps)


def test_bits_that_something_else_reads_as_numbers_are_joined_by_torch():
    packed = picture_model((40, 21))
    graph = packed.graph_module.graph
    unpack = next(iter(graph.find_nodes(op="call_function", target=torch.ops.onebit.unpack.default)))
    (result,) = graph.find_nodes(op="output")
    with graph.inserting_before(result):
        sums = graph.call_function(torch.ops.aten.sum.dim_IntList, (unpack, [1, 2, 3]))
        wide = graph.call_function(torch.ops.aten.reshape.default, (sums, [-1, 1]))
        result.args = (graph.call_function(torch.ops.aten.add.Tensor, (result.args[0], wide)),)
    packed.graph_module.recompile()
    again = onebit.runtime.PackedModel(packed.graph_module, packed.input_spec)
    x = torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8)
    assert all(step.op != STEPS["join"] for chain in chains(again.graph_module, again.values) for step in steps(chain))
    assert torch.equal(again(x), again.graph_module(x))
