"""Networks whose first part stays float: a stem of real weights, or preprocessing, in front of the binary layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from onebit import data, models
from onebit.conversion import convert, verify
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.runtime import OrtSession, load


def pictures(n: int, side: int = 32) -> Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def agree_everywhere(net: nn.Module, x: Tensor, path: Path, binary: list[str]) -> None:
    """Converted, the network predicts the same, bit for bit as it did in torch; so does the file."""
    packed = convert(net, x[:2])
    assert [layer.operator for layer in packed.layers() if layer.kernel != "torch"][: len(binary)] == binary
    assert verify(net, packed, x).ok
    with torch.no_grad():
        y = net(x)
    assert torch.allclose(packed(x), y, rtol=1e-5, atol=1e-5)
    packed.save(path / "net.onnx")
    assert torch.equal(load(path / "net.onnx")(x), packed(x))
    for native in (True, False):  # ONNX Runtime adds the floats in an order of its own
        agreeing = OrtSession(path / "net.onnx", native=native)(x).argmax(1) == y.argmax(1)
        assert agreeing.float().mean() >= 0.9


def test_a_stem_of_real_weights_stays_float_and_the_rest_is_packed(tmp_path):
    torch.manual_seed(1)
    net = nn.Sequential(
        Pixels(),
        nn.Conv2d(3, 70, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(70),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.BatchNorm2d(70),
        BinaryConv2d(70, 66, 3, padding=1, input_quantizer="sign"),
        nn.BatchNorm2d(66),
        BinaryConv2d(66, 20, 3, padding=1, input_quantizer="sign"),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(180, 10),
    )
    net.train()(pictures(30, 24))
    agree_everywhere(net.eval(), pictures(20, 24), tmp_path, ["pack_nchw_threshold", "conv2d_bits", "conv2d_float"])


@pytest.mark.parametrize("steps", [["unit", {"gcn": 55}, "zca"], ["lcn", "normalise"]])
def test_a_network_with_preprocessing_in_its_door_converts(steps, tmp_path):
    torch.manual_seed(2)
    net = models.create("cifar10-convnet", widths=(8, 9, 10, 8, 8, 8), hidden=(16, 16))
    net.pixels = data.preprocess(steps).fit(pictures(40))
    net.train()(pictures(30))
    agree_everywhere(net.eval(), pictures(12), tmp_path, ["pack_nchw_threshold", "conv2d_bits", "max_pool2d"])


def test_a_float_layer_between_binary_ones_is_kept(tmp_path):
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Flatten(),
        Pixels(),
        BinaryLinear(48, 40),
        nn.BatchNorm1d(40),
        nn.Linear(40, 30),
        nn.Tanh(),
        BinaryLinear(30, 10, input_quantizer="sign"),
        nn.BatchNorm1d(10),
    )
    net.train()(pictures(30, 4))
    agree_everywhere(net.eval(), pictures(20, 4), tmp_path, ["dense_u8_float", "pack", "dense_float"])
