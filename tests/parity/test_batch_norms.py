"""Networks with the paper's own batch norms convert to integer thresholds, bit for bit, like those with torch's.

The last norm makes scores: its roundings are others in the packed network, within what the layer's note says.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from onebit import models
from onebit.conversion import convert, verify
from onebit.conversion._capture import capture
from onebit.conversion._lower import layers_of, lower
from onebit.nn import InverseStdNorm, ShiftBatchNorm1d
from onebit.runtime import OrtSession, load

KINDS = ("shift", "theano")


def trained(model: nn.Module, seed: int) -> nn.Module:
    """Statistics of anything: gamma of both signs or 0, means on integers, deviations from tiny to huge."""
    generator = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, InverseStdNorm):
            c = norm.num_features
            norm.weight.data = torch.randn(c, generator=generator) * (torch.rand(c, generator=generator) > 0.1)
            norm.bias.data = torch.randn(c, generator=generator) * (torch.rand(c, generator=generator) > 0.3)
            norm.running_mean = (torch.randn(c, generator=generator) * 9).round()
            norm.running_inv_std = 10 ** (torch.randn(c, generator=generator) * 2 - 1)
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=2, derandomize=True, phases=[Phase.generate])
@given(widths=st.lists(st.sampled_from([1, 63, 65]), min_size=1, max_size=2), seed=st.integers(0, 2**31))
def test_dense_networks_keep_every_bit(kind: str, widths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    net = trained(models.mlp(hidden=widths, inputs=70, classes=5, batch_norm=kind), seed)
    x = torch.randint(0, 256, (60, 70), dtype=torch.uint8)
    packed = convert(net, x[:2])
    operators = [layer.operator for layer in packed.layers()]
    assert operators == ["dense_u8_bits", *["dense_bits"] * (len(widths) - 1), "dense_float"]
    report = verify(net, packed, x)
    assert report.ok
    assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in report.layers)
    assert_scores_within_their_note(net, x)


def assert_scores_within_their_note(net: nn.Module, x: torch.Tensor) -> None:
    layer = layers_of(lower(capture(net, x[:2])))[-1]
    with torch.no_grad():
        scores = net(x)
        assert float((convert(net, x[:2])(x) - scores).abs().max()) <= layer.tolerance
    assert layer.tolerance <= 1e-5 * max(1.0, float(scores.abs().max()))
    assert (f"scores within {layer.tolerance:.2g}" in layer.note) is (layer.tolerance > 0)


def test_shift_based_scores_stay_within_their_note() -> None:
    net = models.mlp(hidden=(70, 33), inputs=70, classes=5, batch_norm="shift")
    net.output.norm = ShiftBatchNorm1d(5)
    net = trained(net, 1)
    assert_scores_within_their_note(net, torch.randint(0, 256, (60, 70), dtype=torch.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_convolutional_networks_keep_every_bit_in_every_engine(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    net = trained(models.cifar10_convnet(widths=(4, 65, 5, 6, 7, 8), hidden=(20, 9), batch_norm=kind), 2)
    x = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    packed = convert(net, x[:2])
    assert [layer.operator for layer in packed.layers()].count("conv2d_bits") == 5
    report = verify(net, packed, x)
    assert report.ok
    assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in report.layers)
    packed.save(tmp_path / "net.onnx")
    assert torch.equal(load(tmp_path / "net.onnx")(x), packed(x))
    assert torch.equal(OrtSession(tmp_path / "net.onnx", native=True)(x), packed(x))
    assert torch.equal(OrtSession(tmp_path / "net.onnx", native=False)(x[:1]), packed(x[:1]))


def test_a_network_trained_with_shifts_converts() -> None:
    """A few real steps, so that the statistics are those of training."""
    torch.manual_seed(0)
    net = models.mlp(
        hidden=(64,), inputs=40, classes=4, dropout=(0, 0), activation="stochastic-sign", batch_norm="shift"
    )
    x = torch.randint(0, 256, (200, 40), dtype=torch.uint8)
    for part in x.split(20):
        net(part).square().sum().backward()
    packed = convert(net, x[:2])
    assert verify(net, packed, x).ok
