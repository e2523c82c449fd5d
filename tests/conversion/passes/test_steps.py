"""Residuals, activations and signs of floats fuse into their layer: the same numbers, fewer passes over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit.conversion import convert, verify
from onebit.nn import BinaryConv2d, BinaryLinear
from onebit.ops import native
from onebit.runtime import OrtSession, PackedModel, load

C, SIZE = 70, 7


class Block(nn.Module):
    """after(bn(conv(sign(before(x))))) + x, the residual in front of or behind the activation."""

    def __init__(self, before: nn.Module, activation: nn.Module, last: bool) -> None:
        super().__init__()
        self.conv = BinaryConv2d(C, C, 3, padding=1, input_quantizer="sign")
        self.before, self.bn, self.activation, self.last = before, nn.BatchNorm2d(C), activation, last

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(self.before(x)))
        return self.activation(y) + x if self.last else self.activation(y + x)


class Shift(nn.Module):
    """RSign's shift."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(0.1 * torch.randn(C, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shift


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(C, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(x).flatten(1))


def trained(model: nn.Module) -> nn.Module:
    """Batch norms with statistics of their own."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.weight.copy_(torch.randn_like(module.weight))
                module.bias.copy_(torch.randn_like(module.bias))
    model.train()
    for _ in range(3):
        model(pictures(32))
    return model.eval()


def pictures(count: int) -> Tensor:
    return torch.randn(count, C, SIZE, SIZE, generator=torch.Generator().manual_seed(count))


def trunk(before: Callable[[], nn.Module], activation: Callable[[], nn.Module], last: bool) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(Block(before(), activation(), last) for _ in range(2)))


KINDS = {
    "Bi-Real": (nn.Identity, nn.Identity, True),
    "ReLU behind": (nn.Identity, nn.ReLU, False),
    "ReLU in front": (nn.Identity, nn.ReLU, True),
    "PReLU in front": (Shift, lambda: nn.PReLU(C), True),
    "PReLU behind": (Shift, nn.PReLU, False),
    "hardtanh behind": (Shift, nn.Hardtanh, False),
    "batch norm before": (lambda: nn.BatchNorm2d(C), lambda: nn.LeakyReLU(0.1), True),
}


def operators(packed: PackedModel) -> list[str]:
    return [layer.operator for layer in packed.layers() if layer.n]


@pytest.mark.parametrize("kind", KINDS)
def test_each_block_becomes_one_call_that_gives_floats_and_bits(kind, tmp_path: Path):
    model = trained(trunk(*KINDS[kind]))
    packed = convert(model, pictures(16))
    assert operators(packed) == ["conv2d_both", "conv2d_fused"]
    targets = [str(node.target) for node in packed.graph_module.graph.nodes if node.op == "call_function"]
    assert (
        sum(target.startswith("onebit.pack") for target in targets) == 1
    )  # the input's; no float is packed between the blocks
    assert not {"aten.add.Tensor", "aten.relu.default", "aten.mul.Tensor"} & set(
        targets[targets.index("onebit.conv2d_both.default") :]
    )
    report = verify(model, packed, pictures(24))
    assert report.ok, str(report)
    assert report.output_error < 1e-4
    packed.save(tmp_path / "model.onnx")
    x = pictures(5)
    expected = packed(x)
    ways = [
        load(tmp_path / "model.onnx"),
        *(OrtSession(tmp_path / "model.onnx", native=ours) for ours in (True, False)),
    ]
    for run in ways:
        assert torch.equal(run(x).view(torch.int32), expected.view(torch.int32))
    for isa in native.available_isas("conv2d"):
        with native.force(isa):
            assert torch.equal(packed(x), expected)


def test_a_residual_network_with_pool_and_classifier_predicts_as_the_float_model(tmp_path: Path):
    model = trained(nn.Sequential(trunk(*KINDS["Bi-Real"]), Head()))
    packed = convert(model, pictures(16))
    assert operators(packed) == ["conv2d_both", "conv2d_fused", "linear"]
    assert "+ residual, bits of the floats" in packed.explain()
    x = pictures(64)
    with torch.no_grad():
        expected = model(x)
    packed.save(tmp_path / "model.onnx")
    ways = [OrtSession(tmp_path / "model.onnx", native=ours) for ours in (True, False)]
    for run in (packed, load(tmp_path / "model.onnx"), *ways):
        got = run(x)
        assert torch.equal(got.argmax(1), expected.argmax(1))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)  # means and products add in orders of their own


def test_without_batch_norm_the_floats_are_the_model_s_bit_for_bit():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.ModuleList(BinaryLinear(C, C, input_quantizer="sign") for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for fc in self.fc:
                x = F.prelu(fc(x) * 0.1 + x, torch.tensor([0.3]))
            return x

    model = Net().eval()
    x = torch.randn(50, C, generator=torch.Generator().manual_seed(1))
    packed = convert(model, x)
    assert operators(packed) == ["dense_both", "dense_both", "dense_fused"]
    with torch.no_grad():
        assert torch.equal(packed(x), model(x))
    assert all(layer.bits_unequal == 0 and layer.error == 0 for layer in verify(model, packed, x).layers)


@pytest.mark.parametrize("buffer", ["threshold", "direction", "scale", "bias"])
def test_verify_sees_a_wrong_constant(buffer):
    model = trained(trunk(*KINDS["Bi-Real"]))
    packed = convert(model, pictures(16))
    name = next(n for n, _ in packed.graph_module.named_buffers() if f"0_conv_{buffer}" in n)
    value = packed.graph_module.get_buffer(name)
    value[3] = -value[3] if buffer == "direction" else value[3] + 0.01
    report = verify(model, packed, pictures(24))
    assert not report.ok
    assert [layer.ok for layer in report.layers] == [False, True]


def test_an_activation_that_others_read_in_front_of_stays_outside():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = BinaryConv2d(C, C, 1, input_quantizer="sign")

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return torch.relu(y) - y * 0.5

    model = Net().eval()
    packed = convert(model, pictures(4))
    assert operators(packed) == ["conv2d_float"]
    with torch.no_grad():
        assert torch.equal(packed(pictures(3)), model(pictures(3)))
