"""Which operators of a graph belong to one call."""

from __future__ import annotations

import copy
import re

import torch
from torch import nn

import onebit
from onebit import models
from onebit.export._chains import chains
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.runtime._joined import Joined


def of(packed: onebit.runtime.PackedModel) -> list[list[str]]:
    return Joined(packed.graph_module, packed.values).names()


def test_a_chain_of_packed_layers_is_one_call(packed_mlp):
    assert of(packed_mlp()) == [["layers.0", "layers.1", "layers.2"]]


def test_a_lone_operator_stays_by_itself(packed_mlp):
    packed, x = packed_mlp((70, 10)), torch.zeros(3, 70, dtype=torch.uint8)
    assert chains(packed.graph_module, packed.values) == []
    assert torch.equal(packed(x), packed.graph_module(x))


def test_pools_and_flattening_belong_to_the_chain_of_a_convolutional_network():
    torch.manual_seed(0)
    model = models.create("cifar10-convnet", widths=(64, 64, 64, 64, 64, 64)).eval()
    packed = onebit.convert(model, torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8))
    (names,) = of(packed)
    assert names == [layer.name for layer in packed.layers()]
    assert sum(name.endswith("pool") for name in names) == 3


class WithStem(nn.Module):
    """A float stem, binary layers, a float head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 20, 3)
        self.first = BinaryConv2d(20, 30, 3, input_quantizer="sign")
        self.norm = nn.BatchNorm2d(30)
        self.second = BinaryConv2d(30, 40, 3, input_quantizer="sign")
        self.head = nn.Linear(40, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.first(torch.relu(self.stem(x)) - 0.1))
        return self.head(self.second(x).mean((2, 3)))


def test_float_layers_stay_around_the_chain():
    torch.manual_seed(0)
    packed = onebit.convert(WithStem().eval(), torch.randn(2, 3, 9, 9))
    (names,) = of(packed)
    assert {"first", "second"} <= set(names)
    assert not {"stem", "head"} & set(names)
    x = torch.randn(3, 3, 9, 9)
    assert packed.chains() == [names]
    assert torch.equal(packed(x), packed.graph_module(x))
    with torch.no_grad():
        packed.graph_module.stem.bias.add_(1)
    assert torch.equal(packed(x), packed.graph_module(x))
    assert Joined(packed.graph_module, packed.values)._whole is None


def test_a_chain_that_is_all_there_is_needs_no_code_around_it(packed_mlp):
    packed = packed_mlp()
    joined, x = Joined(packed.graph_module, packed.values), packed.input_spec.example(2)
    assert joined._whole is not None
    by_code = Joined(packed.graph_module, packed.values)
    by_code._whole = None
    assert torch.equal(joined(packed.graph_module, x), by_code(packed.graph_module, x))


def test_the_network_keeps_tables_of_the_weights_of_convolutions_alone():
    torch.manual_seed(0)
    model = nn.Sequential(
        Pixels(),
        BinaryConv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        BinaryConv2d(8, 8, 3, input_quantizer="sign"),
        nn.BatchNorm2d(8),
        nn.Flatten(),
        BinaryLinear(8 * 16, 10, input_quantizer="sign"),
    ).eval()
    packed = onebit.convert(model, torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8))
    (chain,) = chains(packed.graph_module, packed.values)
    assert [str(chain.constants[index].target).split("_")[-1] for index in chain.watched] == ["weights", "weights"]
    assert len(chain.watched) == 2


def test_no_chain_holds_a_tensor(packed_mlp):
    packed = packed_mlp()
    packed(packed.input_spec.example(1))
    before = {id(buffer) for buffer in packed.buffers()}
    moved = copy.deepcopy(packed)
    assert not before & {id(buffer) for buffer in moved.buffers()}
    assert moved._joined is None


def test_a_chain_says_what_ends_it():
    torch.manual_seed(0)
    (said,) = onebit.convert(WithStem().eval(), torch.randn(2, 3, 9, 9)).calls()
    assert re.search(r"operators from pack.* to second; it ends at .*, which is torch's \(aten\.", said)
    whole = onebit.convert(
        nn.Sequential(
            Pixels(),
            nn.Flatten(),
            BinaryLinear(12, 70),
            nn.BatchNorm1d(70),
            BinaryLinear(70, 3, input_quantizer="sign"),
        ).eval(),
        torch.randint(0, 256, (2, 3, 2, 2), dtype=torch.uint8),
    )
    (said,) = whole.calls()
    assert said.endswith("operators from 2 to 4.")
