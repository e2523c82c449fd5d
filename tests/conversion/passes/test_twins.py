"""A layer whose floats and whose signs are both read computes its sums once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from onebit.conversion import convert, verify
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.ops import native
from onebit.runtime import OrtSession, PackedModel, load

C, SIZE = 70, 6


class Stem(nn.Module):
    """A first layer on bytes whose floats are the shortcut round the next layer, which reads their signs."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.pixels = Pixels()
        self.stem, self.bn, self.activation = BinaryConv2d(3, C, 3, padding=1), nn.BatchNorm2d(C), activation
        self.conv = BinaryConv2d(C, C, 3, padding=1, input_quantizer="sign")

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.bn(self.stem(self.pixels(x))))
        return self.conv(y) + y


class Rows(nn.Module):
    def __init__(self, slope: float) -> None:
        super().__init__()
        self.first = BinaryLinear(C, C, input_quantizer="sign")
        self.bn, self.activation = nn.BatchNorm1d(C), nn.LeakyReLU(slope)
        self.second = BinaryLinear(C, C, input_quantizer="sign")

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.bn(self.first(x)))
        return self.second(y) + 0.5 * y


def trained(model: nn.Module, x: Tensor) -> nn.Module:
    """Batch norms with statistics of their own; gammas of both signs, and one of 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.weight.copy_(torch.randn_like(module.weight))
                module.bias.copy_(torch.randn_like(module.bias))
                module.weight[5] = 0
    model.train()(x)
    return model.eval()


def pictures(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def rows(count: int) -> Tensor:
    return torch.randn(count, C, generator=torch.Generator().manual_seed(3))


def operators(packed: PackedModel) -> list[str]:
    return [layer.operator for layer in packed.layers() if layer.n]


@pytest.mark.parametrize(
    "activation", [nn.Identity(), nn.LeakyReLU(0.1), nn.Hardtanh(-50, 50)], ids=["none", "leaky", "clamp"]
)
def test_a_stem_read_as_floats_and_as_signs_is_one_product(activation: nn.Module, tmp_path: Path):
    model = trained(Stem(activation), pictures(16))
    packed = convert(model, pictures(8))
    assert operators(packed) == ["conv2d_u8_both", "conv2d_fused"]
    report = verify(model, packed, pictures(40))
    assert report.ok, str(report)
    assert all(layer.bits_unequal == 0 for layer in report.layers)
    packed.save(tmp_path / "model.onnx")
    x = pictures(5)
    expected = packed(x)
    for run in (load(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=True)):
        assert torch.equal(run(x).view(torch.int32), expected.view(torch.int32))
    for isa in native.available_isas("conv2d"):
        with native.force(isa):
            assert torch.equal(packed(x), expected)


def test_floats_that_relu_made_equal_at_the_threshold_cannot_tell_the_signs():
    class Cut(Stem):
        def forward(self, x: Tensor) -> Tensor:
            z = self.bn(self.stem(self.pixels(x)))
            return self.conv(z + 0.5) + torch.relu(z)

    model = trained(Cut(nn.Identity()), pictures(16))
    packed = convert(model, pictures(8))
    assert "conv2d_u8_both" not in operators(packed)
    assert verify(model, packed, pictures(40)).ok


@pytest.mark.parametrize(("slope", "joined"), [(0.1, True), (-0.1, False)])
def test_rows_are_joined_where_floats_rise_or_fall_with_their_sums(slope: float, joined: bool):
    model = trained(Rows(slope), rows(64))
    packed = convert(model, rows(16))
    assert ("dense_both" in operators(packed)) is joined
    assert operators(packed).count("dense_bits") == 0 or not joined
    report = verify(model, packed, rows(100))
    assert report.ok, str(report)
