"""Signs of joined maps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import onebit
from onebit.conversion import passes
from onebit.nn import BinaryConv2d, Pixels

X = torch.randn(3, 200, 7, 6, generator=torch.Generator().manual_seed(0))


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def split(function: Any, captured: Any) -> Any:
    module = captured(function, X)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.split_concat):
        module = step(module)
    assert torch.equal(module(X), function(X))
    return [str(node.target) for node in module.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("sizes", [(64, 128, 8), (64, 64, 72), (128, 64, 8), (200,)])
def test_whole_words_are_joined_as_words(sizes: tuple[int, ...], captured: Any) -> None:
    def function(x: Tensor) -> Tensor:
        return signs(torch.cat([part + 0.5 for part in x.split(sizes, 1)], dim=1))

    targets = split(function, captured)
    assert targets.count("onebit.pack.default") == len(sizes)
    assert targets.count("onebit.unpack.default") == 1


@pytest.mark.parametrize("sizes", [(8, 192), (64, 65, 71), (63, 137)])
def test_others_are_joined_as_signs(sizes: tuple[int, ...], captured: Any) -> None:
    targets = split(lambda x: signs(torch.cat([part + 0.5 for part in x.split(sizes, 1)], dim=1)), captured)
    assert targets.count("onebit.pack.default") == len(sizes) + 1


def test_a_pool_of_joined_maps_pools_their_bits_and_each_map_is_packed_once(captured: Any) -> None:
    def function(x: Tensor) -> Tensor:
        joined = torch.cat([x[:, :64] + 0.5, x[:, 64:]], dim=1)
        return signs(joined) + signs(F.max_pool2d(F.max_pool2d(joined, 3, 1, 1), 3, 1, 1))

    targets = split(function, captured)
    assert targets.count("onebit.max_pool2d.default") == 2
    assert targets.count("onebit.pack.default") == 2
    assert "aten.max_pool2d.default" not in targets


def test_a_pool_beside_a_sign_pools_the_bits_that_are_there(captured: Any) -> None:
    def function(x: Tensor) -> Tensor:
        y = x + 1
        return signs(y) + signs(F.max_pool2d(y, 3, 1, 1))

    targets = split(function, captured)
    assert targets.count("onebit.pack.default") == 1


@pytest.mark.parametrize("dim", [2, 3])
def test_maps_that_are_joined_otherwise_stay(dim: int, captured: Any) -> None:
    targets = split(lambda x: signs(torch.cat([x + 1, x], dim=dim)), captured)
    assert targets.count("onebit.pack.default") == 1


class Branches(nn.Module):
    """Two convolutions side by side, joined, beside their max pool, and one behind them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pixels = Pixels()
        self.left, self.right = (nn.Sequential(BinaryConv2d(3, n, 3), nn.BatchNorm2d(n)) for n in (width, 21))
        self.behind = BinaryConv2d(width + 21, 9, 3, input_quantizer="sign")
        self.pooled = BinaryConv2d(width + 21, 9, 3, input_quantizer="sign")
        self.norm = nn.BatchNorm2d(9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pixels(x)
        x = torch.cat([self.left(x), self.right(x)], dim=1)
        y: Tensor = self.norm(self.behind(x) + self.pooled(F.max_pool2d(x, 3, 1, 1))).flatten(1)
        return y


@pytest.mark.parametrize("width", [64, 40])
def test_branches_become_bits_in_torch_and_in_a_file(width: int, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = Branches(width)
    x = torch.randint(0, 256, (6, 3, 9, 8), dtype=torch.uint8)
    model(x)
    for parameter in (model.left[1].weight, model.right[1].weight):
        nn.init.uniform_(parameter, -1, 1)
    packed = onebit.convert(model.eval(), x)
    assert [one.operator for one in packed.layers()].count("conv2d_u8_bits") == 2
    torch.testing.assert_close(packed(x), model(x), rtol=0, atol=1e-4)
    packed.save(tmp_path / "model.onnx")
    assert torch.equal(onebit.load(tmp_path / "model.onnx")(x), packed(x))
