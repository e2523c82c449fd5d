"""What stands in front of a sign of floats vanishes in the thresholds of its pack, and no bit changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit import convert
from onebit.conversion import passes
from onebit.nn import BinaryConv2d, BinaryLinear
from onebit.runtime import OrtSession

GENERATOR = torch.Generator().manual_seed(0)
ROWS, MAPS = torch.randn(64, 70, generator=GENERATOR), torch.randn(4, 70, 6, 5, generator=GENERATOR)


def sign(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


class Shifted(nn.Module):
    """sign(x - a) with a learned shift for each channel (RSign), or any other function in front of the sign."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], maps: bool) -> None:
        super().__init__()
        self.function = function
        shape = (1, 70, 1, 1) if maps else (70,)
        self.a = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(1)))

    def forward(self, x: Tensor) -> Tensor:
        return sign(self.function(x, self.a))


FUNCTIONS = {
    "RSign": lambda x, a: x - a,
    "falling": lambda x, a: a - 2 * x,
    "scale with both signs": lambda x, a: x * a + 0.25,
    "clamped": lambda x, a: (x - a).clamp(-0.5, 0.5),
    "ReLU, always +1": lambda x, a: F.relu(x * a),
    "always -1": lambda x, a: F.relu(x * a) - 100,
}


def targets(module: Any) -> list[str]:
    return [str(node.target).split(".")[1] for node in module.graph.nodes if str(node.target).startswith("onebit")]


def lowered(function: Any, example: Tensor, captured: Any) -> Any:
    module = captured(function, example)
    for step in (*passes.CLEANING, *passes.RECOGNITION, *passes.PACKING, *passes.FINISHING):
        module = step(module)
    return module


@pytest.mark.parametrize("maps", [False, True], ids=["rows", "maps"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_in_front_of_a_sign_becomes_thresholds(name, maps, captured):
    x = (MAPS if maps else ROWS).clone()
    net = Shifted(FUNCTIONS[name], maps)
    a = net.a.detach().expand_as(x)
    x[:2] = a[:2]  # ties, exactly
    x[2:3] = torch.nextafter(a[2:3], torch.tensor(-torch.inf))
    module = lowered(net, x, captured)
    assert targets(module) == ["pack_nchw_threshold" if maps else "pack_threshold", "unpack"]
    assert torch.equal(module(x), net(x))
    assert not any("aten.mul" in str(node.target) or "aten.sub" in str(node.target) for node in module.graph.nodes)


@pytest.mark.parametrize("maps", [False, True], ids=["rows", "maps"])
def test_a_batch_norm_in_front_of_a_sign_becomes_thresholds_at_its_own_rounding(maps, captured):
    norm = nn.BatchNorm2d(70) if maps else nn.BatchNorm1d(70)
    generator = torch.Generator().manual_seed(3)
    norm.weight.data = torch.randn(70, generator=generator)
    norm.weight.data[::9] = 0.0
    norm.bias.data = torch.randn(70, generator=generator)
    norm.running_mean = torch.randn(70, generator=generator)
    norm.eval()
    x = (MAPS if maps else ROWS).clone()
    net = nn.Sequential(norm, Shifted(lambda x, _: x, maps)).eval()
    module = lowered(net, x, captured)
    assert targets(module) == ["pack_nchw_threshold" if maps else "pack_threshold", "unpack"]
    assert torch.equal(module(x), net(x))


def test_a_map_is_packed_where_it_lies(captured):
    module = lowered(sign, MAPS, captured)
    assert targets(module) == ["pack_nchw", "unpack"]
    assert torch.equal(module(MAPS), sign(MAPS))


def test_what_others_read_stays(captured):
    def net(x: Tensor) -> Tensor:
        y = x * 3 - 1
        return sign(y) + y

    module = lowered(net, ROWS, captured)
    assert targets(module)[0] == "pack"
    assert torch.equal(module(ROWS), net(ROWS))


def test_what_is_not_monotone_stays(captured):
    def net(x: Tensor) -> Tensor:
        return sign(x * x - 1)

    module = lowered(net, ROWS, captured)
    product = next(node for node in module.graph.nodes if str(node.target) == "aten.mul.Tensor")
    (pack,) = product.users
    assert targets(module) == ["pack_threshold", "unpack"]  # of the product: the subtraction is monotone
    assert pack.args[0] is product
    assert torch.equal(module(ROWS), net(ROWS))


class Floats(nn.Module):
    """Floats in: a shifted sign, a binary convolution, a float batch norm and sign, a binary layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(1, 5, 1, 1, generator=torch.Generator().manual_seed(1)))
        self.conv, self.norm, self.last = BinaryConv2d(5, 70, 3), nn.BatchNorm2d(70), BinaryLinear(70 * 12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(sign(x - self.a)))
        return self.last(sign(x).flatten(1))


@pytest.mark.parametrize("isa", ["scalar", None])
def test_a_network_on_floats_keeps_its_bits_everywhere(isa, tmp_path):
    from onebit.ops import native

    torch.manual_seed(0)
    net, x = Floats().eval(), torch.randn(7, 5, 6, 5)
    with native.force(isa):
        packed = convert(net, x)
        assert torch.equal(packed(x), net(x))
    assert "PackNchwThreshold" in OrtSession(_saved(packed, tmp_path), chains=False).executed()
    for native_ops in (True, False):
        assert torch.equal(OrtSession(tmp_path / "m.onnx", native=native_ops)(x), net(x))


def _saved(packed: Any, folder: Any) -> Any:
    packed.save(folder / "m.onnx")
    return folder / "m.onnx"


def test_the_cast_of_pixels_goes_in_as_well():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = BinaryLinear(70, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(sign(x.float() * 2 - 255))

    x = torch.randint(0, 256, (9, 70), dtype=torch.uint8)
    net = Net().eval()
    packed = convert(net, x)
    assert [layer.operator for layer in packed.layers()] == ["pack_threshold", "dense_float"]
    assert [layer.bits_in for layer in packed.layers()] == ["u8", "1"]
    assert torch.equal(packed(x), net(x))
