"""LayerChecker: a convolution is held against the float network's own sums and signs, pools and padding included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit.conversion import convert, verify
from onebit.conversion._layer_checker import terms
from onebit.nn import BinaryLinear, Pixels

GENERATOR = torch.Generator().manual_seed(0)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


class Net(nn.Module):
    """Two convolutions, a pool between sum and sign, an explicit pad, a sign behind flatten, one product."""

    def __init__(self) -> None:
        super().__init__()
        shapes = {"first": (6, 3, 3, 3), "second": (10, 3, 2, 2), "third": (4, 160)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape, generator=GENERATOR)))
        self.norm = nn.BatchNorm2d(6)
        self.norm.weight.data = torch.tensor([1.0, -1.0, 0.0, 1.0, -2.0, 1.0])

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(F.max_pool2d(F.conv2d(x.float() * 2 - 255, signs(self.first), padding=1), 2))
        x = F.conv2d(F.pad(-signs(x), (1, 0, 0, 1), value=1.0), signs(self.second), groups=2)
        return F.linear(signs(x.flatten(1)), signs(self.third))


X = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=GENERATOR)


def test_every_sum_and_every_pooled_bit_is_compared() -> None:
    net = Net()
    report = verify(net, convert(net, X[:3]), X)
    found = [(layer.operator, layer.n, layer.k, layer.sums, layer.bits) for layer in report.layers]
    assert found == [
        ("conv2d_u8_bits", 6, 27, 40 * 6 * 64, 40 * 6 * 16),
        ("conv2d_bits", 10, 12, 40 * 160, 40 * 160),
        ("dense_float", 4, 1024, 40 * 4, 0),
    ]
    assert report.ok
    assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in report.layers)


@pytest.mark.parametrize("damage", ["conv2d_u8_bits", "conv2d_bits", "dense_float", "max_pool2d"])
def test_a_damaged_layer_is_found(damage: str) -> None:
    net = Net()
    packed = convert(net, X[:3])
    (node,) = [n for n in packed.graph_module.graph.nodes if str(n.target) == f"onebit.{damage}.default"]
    last = [arg for arg in node.args if isinstance(arg, torch.fx.Node)]
    buffer = dict(packed.named_buffers())[f"graph_module.{last[-1 if damage == 'max_pool2d' else -2].target}"]
    buffer.copy_(buffer ^ 1 if damage == "max_pool2d" else -buffer if damage == "dense_float" else buffer + 3)
    report = verify(net, packed, X)
    assert not report.ok
    wrong = [layer.operator for layer in report.layers if not layer.ok]
    # A pool belongs to the layer in front of it; scores without a batch norm are seen in the winners only.
    assert wrong == {"max_pool2d": ["conv2d_u8_bits"], "dense_float": []}.get(damage, [damage])


@pytest.mark.parametrize(("off", "ok"), [(0.0, True), (1e-3, False)])
def test_floats_behind_steps_may_be_off_by_rounding_alone(off: float, ok: bool) -> None:
    """off: what one channel's bias is moved by, as a share of the largest float."""
    torch.manual_seed(0)
    body = [BinaryLinear(192, 12, bias=False), nn.BatchNorm1d(12), nn.PReLU(12), nn.Linear(12, 5)]
    net = nn.Sequential(Pixels(), nn.Flatten(), *body).eval()
    packed = convert(net, X[:3])
    (node,) = [n for n in packed.graph_module.graph.nodes if str(n.target) == "onebit.dense_u8_fused.default"]
    bias = dict(packed.named_buffers())[f"graph_module.{node.args[5].target}"]
    bias[3] += off * float(net[:-1](X).detach().abs().max())
    (layer,) = verify(net, packed, X).layers
    assert layer.ok is ok
    assert layer.bits_unequal == (0 if ok else len(X))


def test_terms_are_those_of_a_group() -> None:
    nodes: Any = convert(Net(), X[:3]).graph_module.graph.nodes
    found = {str(node.target): terms(node) for node in nodes if "conv2d" in str(node.target)}
    assert found == {"onebit.conv2d_u8_bits.default": (6, 27), "onebit.conv2d_bits.default": (10, 12)}
