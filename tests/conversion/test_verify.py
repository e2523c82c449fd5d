"""verify: it says equal of what is equal, and every planted fault makes it say otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from onebit._errors import ConversionError, DtypeError
from onebit.conversion import convert, verify
from onebit.conversion._report import VerifyReport
from onebit.conversion._verify import _add_outputs
from onebit.nn import BinaryLinear, ShiftBatchNorm1d, TheanoBatchNorm1d


def sign_of(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def buffer_of(packed: Any, layer: str, role: str) -> Tensor:
    return dict(packed.graph_module.named_buffers())[f"{layer.replace('.', '_')}_{role}"]


def test_a_converted_network_is_equal_in_every_sum_and_bit(user_net: Any, pixels: Any) -> None:
    net, x = user_net(), pixels(300, 30)
    report = verify(net, convert(net, x[:2]), x)
    assert report.ok
    assert report.examples == report.argmax_equal == 300
    assert report.output_error == 0
    assert [(layer.name, layer.sums, layer.bits) for layer in report.layers] == [
        ("layers.0", 300 * 65, 300 * 65),
        ("layers.1", 300 * 64, 300 * 64),
        ("layers.2", 300 * 10, 0),
    ]


def test_a_flipped_weight_is_found_in_its_layer(user_net: Any, pixels: Any) -> None:
    net, x = user_net(), pixels(100, 30)
    packed = convert(net, x[:2])
    weights = buffer_of(packed, "layers.1", "weights")
    rows = torch.ops.onebit.unpack_weights(weights, 64, 65)
    rows[5, 0] ^= 1
    weights.copy_(torch.ops.onebit.pack_weights(rows, 65))
    report = verify(net, packed, x)
    assert not report.ok
    assert [layer.ok for layer in report.layers] == [True, False, True]
    assert report.layers[1].sums_unequal == 100
    assert "DIFFERENT" in str(report)


def test_a_threshold_next_to_the_right_one_is_found(user_net: Any, pixels: Any) -> None:
    net, x = user_net(), pixels(300, 30)
    packed = convert(net, x[:2])
    threshold = buffer_of(packed, "layers.1", "threshold")
    usual = (threshold.abs() < 20).nonzero()[:, 0]
    threshold[usual] += 2
    report = verify(net, packed, x)
    assert not report.ok
    assert report.layers[1].sums_unequal == 0
    assert report.layers[1].bits_unequal > 0
    assert report.layers[1].margin <= 2


def test_a_turned_direction_is_found(user_net: Any, pixels: Any) -> None:
    net, x = user_net(), pixels(100, 30)
    packed = convert(net, x[:2])
    buffer_of(packed, "layers.0", "direction")[0] *= -1
    assert not verify(net, packed, x).layers[0].ok


def test_a_changed_score_is_found(user_net: Any, pixels: Any) -> None:
    net, x = user_net(last_norm=True), pixels(100, 30)
    packed = convert(net, x[:2])
    bias = next(b for name, b in packed.graph_module.named_buffers() if name.startswith("layers_2_bias"))
    bias += 0.01 * bias.abs().max() + 0.01
    assert not verify(net, packed, x).layers[2].ok


def test_a_model_trained_on_is_another_model(user_net: Any, pixels: Any) -> None:
    net, x = user_net(), pixels(50, 30)
    packed = convert(net, x[:2])
    net.layers[0].weight.data[0] *= -1
    assert not verify(net, packed, x).ok


def test_a_network_of_other_sizes_is_refused(user_net: Any, pixels: Any) -> None:
    x = pixels(5, 30)
    packed = convert(user_net(), x)
    with pytest.raises(ConversionError, match=r"layers \(n, k\) = .*\(65, 30\).* converts to .*\(66, 30\)"):
        verify(user_net(widths=(30, 66, 64, 10)), packed, x)


def test_float_pixels_are_refused_with_advice(user_net: Any, pixels: Any) -> None:
    net, x = user_net(), pixels(5, 30)
    with pytest.raises(DtypeError, match="uint8, without normalisation"):
        convert(net, x)(x.float())
    with pytest.raises(DtypeError, match="uint8, without normalisation"):
        verify(net, convert(net, x), x.float())


def test_convert_refuses_what_its_own_proof_refutes(
    user_net: Any, pixels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onebit.conversion import _sums, passes
    from onebit.conversion.passes import _dense

    monkeypatch.setattr(_dense, "of_signs", lambda signs: (*_sums.of_signs(-signs)[:2], 4))  # every second sum only
    assert passes.match_dense is _dense.match_dense
    net, x = user_net(), pixels(200, 30)
    with pytest.raises(ConversionError, match="disagrees with UserNet on the example"):
        convert(net, x)


def test_surrogate_gradients_written_with_detach_are_cancelled(user_net: Any, user_net_class: Any, pixels: Any) -> None:
    class Surrogate(user_net_class):  # type: ignore[misc]
        def weights(self, layer: nn.Linear) -> Tensor:
            w = layer.weight
            return (sign_of(w) - w).detach() + w

    def activation(x: Tensor) -> Tensor:
        t = x.clamp(-1, 1)
        return sign_of(x).detach() - t.detach() + t

    net, x = user_net(activation=activation, kind=Surrogate), pixels(300, 30)
    packed = convert(net, x)
    assert [layer.operator for layer in packed.layers()] == ["dense_u8_bits", "dense_bits", "dense_float"]
    assert "by rounding" in packed.explain()
    report = verify(net, packed, x)
    assert report.ok
    assert max(layer.margin for layer in report.layers) <= 2  # where bits differ, the sum is next to a tie
    assert all(layer.bits_unequal <= layer.bits // 50 for layer in report.layers[:2])


def test_normalised_pixels_fold_and_say_that_the_float_model_rounds(user_net: Any, user_net_class: Any) -> None:
    class Divided(user_net_class):  # type: ignore[misc]
        def prepare(self, x: Tensor) -> Tensor:
            return (x.float() / 255 - 0.1307) / 0.3081

    net = user_net(widths=(784, 65, 10), kind=Divided)
    x = torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8)
    packed = convert(net, x)
    assert [layer.operator for layer in packed.layers()] == ["dense_u8_bits", "dense_float"]
    assert "own rounding of normalised pixels" in packed.layers()[0].note
    report = verify(net, packed, x)
    assert report.ok
    assert not report.layers[0].exact
    assert report.layers[0].bits_unequal <= report.layers[0].bits // 1000


def test_winners_that_tie_within_the_noted_rounding_are_excused() -> None:
    report = VerifyReport(3, (), 0.0, 0)
    expected = torch.tensor([[1.0, 0.0], [1.0, 1.0 - 1e-6], [1.0, 0.9]])
    got = torch.tensor([[1.0, 0.0], [1.0 - 1e-6, 1.0], [0.9, 1.0]])
    _add_outputs(report, expected, got, torch.zeros(3, dtype=torch.bool), tolerance=1e-6)
    assert (report.argmax_equal, report.excused, report.ok) == (1, 1, False)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, TheanoBatchNorm1d, ShiftBatchNorm1d])
def test_one_score_for_each_example_may_differ_by_its_note_too(norm: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(BinaryLinear(130, 1, input_quantizer="sign"), norm(1), nn.Flatten(0)).eval()
    for name, value in {"running_mean": 0.3137, "weight": 0.7231, "bias": 0.1}.items():
        getattr(net[1], name).data.fill_(value)
    x = torch.randn(300, 130, generator=torch.Generator().manual_seed(0))
    packed = convert(net, x)
    with torch.no_grad():
        assert float((packed(x) - net(x)).abs().max()) < 1e-5  # whether 0 is for the processor and the weights to say
    bias = next(b for name, b in packed.graph_module.named_buffers() if "_bias" in name)
    bias += 1e-3
    assert not verify(net, packed, x).ok
