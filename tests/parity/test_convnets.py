"""Convolutional networks from training form to file: the float network, the packed one, the loaded file and ONNX
Runtime agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from onebit import data, models
from onebit._errors import OnebitError
from onebit.conversion import convert, verify
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.quantizers import Sign
from onebit.runtime import OrtSession, load

ORDERS = ("pool, norm", "norm, pool", "norm, sign, pool", "norm")


def trained(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """The model with batch norms that have seen anything: gamma negative or 0, awkward means and variances."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            c = norm.num_features
            if norm.weight is not None:
                kept = torch.rand(c, generator=generator) > 0.1
                norm.weight.data = torch.randn(c, generator=generator) * kept
            norm.bias.data = torch.randn(c, generator=generator) * (torch.rand(c, generator=generator) > 0.3)
            norm.running_mean = (torch.randn(c, generator=generator) * 9).round()
            norm.running_var = torch.rand(c, generator=generator) * 99 + 1e-3
    return model.eval()


def pictures(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", ["cifar10-convnet", "larq-vgg"])
def test_named_networks_stay_in_bits_and_agree_everywhere(name: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    net = trained(models.create(name, widths=(8, 70, 9, 16, 20, 12), hidden=(66, 33)), generator)
    x = pictures(generator, 9, 3, 32, 32)
    packed = convert(net, x[:2])
    stage = ["conv2d_bits", "conv2d_bits", "max_pool2d"]
    chain = ["conv2d_u8_bits", "conv2d_bits", "max_pool2d", *stage, *stage, "dense_bits", "dense_bits", "dense_float"]
    assert [layer.operator for layer in packed.layers()] == chain
    report = verify(net, packed, x)
    assert report.ok
    assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in report.layers)
    with torch.no_grad():
        assert torch.allclose(packed(x), net(x), rtol=1e-5, atol=1e-5)
    packed.save(tmp_path / "net.onnx")
    loaded = load(tmp_path / "net.onnx")
    assert torch.equal(loaded(x), packed(x))
    assert verify(net, loaded, x[:3]).ok
    assert torch.equal(OrtSession(tmp_path / "net.onnx", native=True)(x), packed(x))
    assert torch.equal(OrtSession(tmp_path / "net.onnx", native=False)(x[:1]), packed(x[:1]))


@pytest.mark.parametrize("name", ["cifar10-convnet", "larq-vgg"])
def test_networks_of_full_size_agree_on_real_pictures(name: str, tmp_path: Path) -> None:
    """Batch norm's statistics are those of the pictures, so that sums lie close to thresholds, as after training."""
    try:
        test = data.load("cifar10", split="test", download=False)
    except OnebitError as error:
        pytest.skip(f"needs CIFAR-10 in $ONEBIT_DATA: {str(error).splitlines()[0]}")
    torch.manual_seed(4)
    net = models.create(name).train()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            norm.momentum = None
            if norm.weight is not None:
                nn.init.normal_(norm.weight)
    with torch.no_grad():
        net(test.images[:64])
        x = test.images[64:128]
        packed = convert(net.eval(), x[:2])
        report = verify(net, packed, x)
        assert report.ok
        assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in report.layers)
        assert torch.equal(packed(x).argmax(1), net(x).argmax(1))
    packed.save(tmp_path / "net.onnx")
    assert torch.equal(OrtSession(tmp_path / "net.onnx", native=True)(x), packed(x))


class Drawn(nn.Module):
    """A random small network: two convolutions of any kind, a pool before or behind norm and sign, one product."""

    def __init__(self, draw: Any, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.order, steps = draw(st.sampled_from(ORDERS)), []
        for depth in range(2):
            groups = draw(st.sampled_from([g for g in (1, 2, 3, channels) if channels % g == 0]))
            width = groups * draw(st.sampled_from([1, 3, 11, 64 // groups + 1]))
            conv = BinaryConv2d(
                channels, width, (draw(st.integers(1, 4)), draw(st.integers(1, 3))), stride=draw(st.integers(1, 2)),
                padding=draw(st.integers(1, 3)), dilation=draw(st.integers(1, 2)), groups=groups,
                pad_value=draw(st.sampled_from([0, 1, -1])), input_quantizer="sign" if depth else None,
            )  # fmt: skip
            steps += [conv, *self._after(width)]
            channels = width
        self.features = nn.Sequential(Pixels(), *steps)
        with torch.no_grad():
            row = self.features(torch.zeros(1, self.features[1].in_channels, *size, dtype=torch.uint8)).numel()
        self.output = BinaryLinear(row, 5, input_quantizer="sign")

    def _after(self, width: int) -> list[nn.Module]:
        norm, pool = nn.BatchNorm2d(width), nn.MaxPool2d(2, 1)
        sign = Sign()
        return {
            "pool, norm": [pool, norm],
            "norm, pool": [norm, pool],
            "norm, sign, pool": [norm, sign, pool],
            "norm": [norm],
        }[self.order]

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x).flatten(1))


@settings(deadline=None, max_examples=6, derandomize=True, phases=[Phase.generate])
@given(data=st.data(), channels=st.integers(1, 4), size=st.tuples(st.integers(7, 10), st.integers(7, 10)))
def test_random_networks_keep_every_bit(data: Any, channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    try:
        net = trained(Drawn(data.draw, channels, size).eval(), generator)
    except RuntimeError:  # a window larger than the padded map
        return
    x = pictures(generator, 6, channels, *size)
    packed = convert(net, x[:2])
    bits = [layer.operator for layer in packed.layers() if layer.operator != "max_pool2d"]
    assert bits == ["conv2d_u8_bits", "conv2d_bits", "dense_float"]
    with torch.no_grad():
        assert torch.equal(packed(x), net(x))
    assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in verify(net, packed, x).layers)
