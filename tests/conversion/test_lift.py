"""Networks on sequences: lifted to maps of one row, converted to bits, equal to the float model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit import convert, load, verify
from onebit.conversion._lift import lift_sequences
from onebit.nn import BinaryConv1d, BinaryLinear, Pixels
from onebit.runtime import OrtSession

SEQUENCES = torch.randint(0, 256, (64, 3, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def sign(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


class ByHand(nn.Module):
    """torch's own layers and signs written out, with a constant for each channel and a pad of +1."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv1d(3, 40, 3, bias=False), nn.Conv1d(40, 33, 4), nn.Linear(66, 5)
        self.shift = nn.Parameter(torch.randn(1, 40, 1, generator=torch.Generator().manual_seed(1)).round())
        self.scale = nn.Parameter(torch.tensor([[2.0]] * 20 + [[-1.0]] * 20))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv1d(x.float() * 2 - 255, sign(self.first.weight), None, 1, 1)
        x = sign((x + self.shift) * self.scale)
        x = F.conv1d(F.pad(x, (2, 1), value=1.0), sign(self.second.weight), self.second.bias.round(), 2, 0, 2)
        x = sign(F.max_pool1d(x, 3, 3))
        return F.linear(x.flatten(1), sign(self.last.weight))


class Residual(nn.Module):
    """Blocks in the manner of Bi-Real Net: x + prelu(norm(conv(sign(x)))), and a mean over all places at the end."""

    def __init__(self, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.start = nn.Conv1d(3, 40, 3, padding=1, bias=False)
        self.convs = nn.ModuleList(BinaryConv1d(40, 40, 3, padding=1, input_quantizer="sign") for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm1d(40) for _ in range(4))
        self.acts, self.last, self.pool = nn.ModuleList(nn.PReLU(40) for _ in range(3)), nn.Linear(40, 5), pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[3](self.start(x.float()))
        for conv, norm, act in zip(self.convs, self.norms, self.acts, strict=False):
            x = x + act(norm(conv(x)))
        return self.last(self.pool(x).flatten(1) if self.pool else x.mean(2))


def layers(*body: nn.Module) -> nn.Module:
    return nn.Sequential(Pixels(), *body)


NETS: dict[str, Callable[[], nn.Module]] = {
    "conv, norm, sign, pool, linear": lambda: layers(
        BinaryConv1d(3, 70, 3, padding=1),
        nn.BatchNorm1d(70),
        nn.MaxPool1d(2),
        BinaryConv1d(70, 33, 3, stride=2, input_quantizer="sign", pad_value=-1, padding=2),
        nn.BatchNorm1d(33),
        nn.Flatten(),
        BinaryLinear(33 * 5, 10, input_quantizer="sign"),
    ),
    "depthwise": lambda: layers(
        BinaryConv1d(3, 66, 3),
        nn.MaxPool1d(2, 1),
        nn.BatchNorm1d(66),
        BinaryConv1d(66, 66, 5, padding=2, groups=66, input_quantizer="sign"),
        nn.BatchNorm1d(66),
        BinaryConv1d(66, 132, 3, groups=66, pad_value=1, padding="same", input_quantizer="sign"),
        nn.BatchNorm1d(132),
        nn.Flatten(),
        BinaryLinear(132 * 13, 10, input_quantizer="sign"),
    ),
    "by hand": ByHand,
}


def trained(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(2)
    net.train()(SEQUENCES)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.weight.data = torch.randn(module.num_features, generator=generator)
            module.bias.data = torch.randn(module.num_features, generator=generator)
    return net.eval()


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("name", NETS)
def test_a_network_on_sequences_converts_to_bits_and_keeps_every_bit(name: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    net = trained(NETS[name]())
    packed = convert(net, SEQUENCES[:8])
    operators = [layer.operator for layer in packed.layers()]
    assert set(operators) <= {"conv2d_u8_bits", "conv2d_bits", "max_pool2d", "dense_float"}
    assert all(layer.bits_in in ("u8", "1") for layer in packed.layers())
    report = verify(net, packed, SEQUENCES)
    assert report.ok
    assert all(check.exact for check in report.layers)
    expected = net(SEQUENCES)
    packed.save(tmp_path / "net.onnx")
    ours, bare = (OrtSession(tmp_path / "net.onnx", native=native) for native in (True, False))
    for run in (packed, load(tmp_path / "net.onnx"), ours, bare):
        assert torch.equal(run(SEQUENCES), expected)
        assert torch.equal(run(SEQUENCES[:1]), expected[:1])


@pytest.mark.parametrize("pool", [None, nn.AdaptiveAvgPool1d(1), nn.AvgPool1d(16)], ids=["mean", "adaptive", "whole"])
def test_residual_blocks_of_sequences_become_one_call_each(pool: nn.Module | None, tmp_path: Any) -> None:
    torch.manual_seed(0)
    net = trained(Residual(pool))
    packed = convert(net, SEQUENCES[:8])
    called = [layer.operator for layer in packed.layers()]
    assert called == ["conv2d", "pack_nchw_threshold", "conv2d_both", "conv2d_both", "conv2d_fused", "linear"]
    assert verify(net, packed, SEQUENCES).ok
    packed.save(tmp_path / "net.onnx")
    for run in (load(tmp_path / "net.onnx"), OrtSession(tmp_path / "net.onnx", native=False)):
        torch.testing.assert_close(run(SEQUENCES), net(SEQUENCES))


def test_only_what_lies_between_sequences_and_maps_is_squeezed(captured: Any) -> None:
    net = trained(NETS["conv, norm, sign, pool, linear"]())
    module = captured(net, SEQUENCES[:4])
    targets = [str(node.target) for node in module.graph.nodes if node.op == "call_function"]
    assert targets.count("aten.unsqueeze.default") == 3  # the input and two weights
    assert "aten.squeeze.dim" not in targets
    assert not [target for target in targets if "1d" in target]
    assert torch.equal(module(SEQUENCES[:4]), net(SEQUENCES[:4]))


def test_graphs_without_convolution_of_sequences_stay_as_they_are(captured: Any) -> None:
    def net(x: Tensor) -> Tensor:
        return (x.float() * 2 - 255).relu().mean(2)

    module = captured(net, SEQUENCES)
    assert lift_sequences(module) is module


def test_what_has_no_form_on_maps_is_squeezed_first(captured: Any) -> None:
    weight = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(3))

    def net(x: Tensor) -> Tensor:
        y = F.conv1d(x.float(), weight)
        return y.transpose(1, 2).softmax(1).sum(1) + y[:, :, 0]

    module = captured(net, SEQUENCES)
    assert [str(node.target) for node in module.graph.nodes].count("aten.squeeze.dim") == 1
    assert torch.allclose(module(SEQUENCES), net(SEQUENCES), rtol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_every_argument_of_a_convolution_of_sequences_gets_its_row(captured: Any, transposed: bool) -> None:
    """Those of a transposed one too, whose output is padded."""
    weight = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(3))

    def net(x: Tensor) -> Tensor:
        return torch.convolution(x.float(), weight, None, [3], [1], [2], transposed, [2 * transposed], 1)

    module = captured(net, SEQUENCES)
    assert module(SEQUENCES).shape == net(SEQUENCES).shape
    assert torch.allclose(module(SEQUENCES), net(SEQUENCES), rtol=1e-5, atol=1e-3)


def test_constants_of_any_shape_get_their_row(captured: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    weight, table = torch.randn(4, 3, 3, generator=generator), torch.randn(4, 14, generator=generator)
    place, channel = torch.randn(14, generator=generator), torch.randn(1, 4, 1, generator=generator)

    def net(x: Tensor) -> Tensor:
        return (F.conv1d(x.float(), weight) * channel + table - place).flatten(1)

    module = captured(net, SEQUENCES)
    assert "aten.squeeze.dim" not in [str(node.target) for node in module.graph.nodes]
    assert torch.allclose(module(SEQUENCES), net(SEQUENCES), rtol=1e-5, atol=1e-3)
