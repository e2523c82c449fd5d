"""convert: a packed network computes the numbers of the network it was made of, whoever wrote that one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from onebit import models
from onebit._errors import ConversionError
from onebit.conversion import convert, verify
from onebit.runtime import load

AWKWARD = st.sampled_from([1, 2, 63, 64, 65, 100, 513])


class Estimator(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.ones_like(x).masked_fill(x < 0, -1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        return upstream * (ctx.saved_tensors[0].abs() <= 1)


class SignModule(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, torch.ones_like(x), -torch.ones_like(x))


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


SIGNS: dict[str, Callable[[Tensor], Tensor]] = {
    "where": signs,
    "autograd.Function": Estimator.apply,
    "mask arithmetic": lambda x: (x >= 0).float() * 2 - 1,
    "hardtanh before": lambda x: signs(F.hardtanh(x)),
    "dropout after": lambda x: F.dropout(signs(x), 0.5, training=False),
    "open at zero": lambda x: torch.where(x > 0, 1.0, -1.0),
    "clamped, shifted, sloped": lambda x: signs(F.leaky_relu(x.clamp(-2, 2) - 0.25, 0.1)),
    "in place": lambda x: signs(x.mul_(3).add_(1)),
}


def operators(packed: Any) -> list[str]:
    return [layer.operator for layer in packed.layers()]


def notes(packed: Any) -> str:
    return "\n".join(layer.note for layer in packed.layers())


@settings(deadline=None, max_examples=6, derandomize=True)
@given(inputs=AWKWARD, hidden=st.lists(AWKWARD, min_size=1, max_size=3), seed=st.integers(0, 2**31))
def test_random_networks_keep_every_bit(user_net_of: Any, inputs: int, hidden: list[int], seed: int) -> None:
    net, x = user_net_of(inputs, hidden, seed)
    packed = convert(net, x[:3])
    with torch.no_grad():
        assert torch.equal(packed(x), net.eval()(x))
    assert operators(packed) == ["dense_u8_bits", *["dense_bits"] * (len(hidden) - 1), "dense_float"]
    report = verify(net, packed, x)
    assert report.ok
    assert all(layer.exact and layer.sums_unequal + layer.bits_unequal == 0 for layer in report.layers)


@pytest.fixture(scope="module")
def user_net_of() -> Any:
    """(inputs, hidden, seed) -> a random network and pixels; of module scope, as hypothesis wants it."""

    def make(inputs: int, hidden: list[int], seed: int) -> tuple[nn.Module, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        net = models.create("mlp", hidden=hidden, inputs=inputs, classes=7)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm1d):
                c = module.num_features
                module.weight.data = torch.randn(c, generator=generator) * (torch.rand(c, generator=generator) > 0.1)
                module.bias.data = torch.randn(c, generator=generator) * (torch.rand(c, generator=generator) > 0.3)
                module.running_mean = (torch.randn(c, generator=generator) * 9).round()
                module.running_var = 10 ** torch.randint(-12, 12, (c,), generator=generator).float()
        del net.output.norm  # sums as scores: equality can be demanded of the output too
        return net, torch.randint(0, 256, (40, inputs), dtype=torch.uint8, generator=generator)

    return make


@pytest.mark.parametrize("name", SIGNS)
def test_every_way_to_write_a_sign_is_found(name: str, user_net: Any, pixels: Any) -> None:
    net, x = user_net(activation=SIGNS[name]), pixels(100, 30)
    packed = convert(net, x[:2])
    assert operators(packed) == ["dense_u8_bits", "dense_bits", "dense_float"]
    assert all(note.startswith("exact") for note in notes(packed).splitlines())
    with torch.no_grad():
        assert torch.equal(packed(x), net.eval()(x))


@pytest.mark.parametrize("name", ["where", "open at zero", "clamped, shifted, sloped"])
def test_signs_of_float_inputs_are_found_too(name: str) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(70, 5, bias=False), torch.randn(50, 70)
    linear.weight.data = signs(linear.weight.data)
    net = FloatFirst(SIGNS[name], linear)
    packed = convert(net, x)
    assert operators(packed)[-1] == "dense_float"
    with torch.no_grad():
        assert torch.equal(packed(x), net(x))


class FloatFirst(nn.Module):
    def __init__(self, activation: Callable[[Tensor], Tensor], linear: nn.Module) -> None:
        super().__init__()
        self.activation, self.linear = activation, linear

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.activation(x + 0))


def test_relu_before_a_sign_is_not_dropped(user_net: Any, pixels: Any) -> None:
    """ReLU makes every sign +1, and an engine that drops it is wrong: all channels become constant."""
    net, x = user_net(activation=lambda x: signs(F.relu(x))), pixels(50, 30)
    packed = convert(net, x)
    for name, threshold in packed.graph_module.named_buffers():
        assert "threshold" not in name or bool((threshold == -(2**31)).all())
    with torch.no_grad():
        assert torch.equal(packed(x), net.eval()(x))


def test_batch_norm_scores_stay_within_their_note(user_net: Any, pixels: Any) -> None:
    net, x = user_net(last_norm=True), pixels(200, 30)
    net.norms[2].running_var = torch.full((10,), 77.0)
    packed = convert(net, x[:5])
    assert operators(packed)[-1] == "dense_float"
    with torch.no_grad():
        expected = net.eval()(x)
        assert torch.allclose(packed(x), expected, rtol=1e-6, atol=1e-5)
        assert torch.equal(packed(x).argmax(1), expected.argmax(1))
    assert "scores within" in notes(packed)


def test_a_bias_before_batch_norm_is_folded(user_net: Any, pixels: Any) -> None:
    net, x = user_net(bias=True), pixels(200, 30)
    packed = convert(net, x)
    assert operators(packed) == ["dense_u8_bits", "dense_bits", "dense_float"]
    assert "rounds its bias" in notes(packed)
    for layer in net.layers:
        layer.bias.data = layer.bias.data.mul(8).round().div(8)  # multiples of 1/8 do not round
    packed = convert(net, x)
    assert "rounds" not in notes(packed)
    with torch.no_grad():
        assert torch.equal(packed(x), net.eval()(x))


@pytest.mark.parametrize("power", [True, False])
def test_weights_with_a_scale_per_output_are_binary(
    power: bool, user_net: Any, user_net_class: Any, pixels: Any
) -> None:
    class Scaled(user_net_class):  # type: ignore[misc]
        def weights(self, layer: nn.Linear) -> Tensor:
            alpha = layer.weight.abs().mean(1, keepdim=True)
            return signs(layer.weight) * (2 ** alpha.log2().round() if power else alpha)

    net, x = user_net(kind=Scaled), pixels(100, 30)
    packed = convert(net, x)
    assert operators(packed) == ["dense_u8_bits", "dense_bits", "dense_float"]
    assert ("rounds sums of scaled weights" in notes(packed)) is not power
    with torch.no_grad():
        assert torch.allclose(packed(x), net.eval()(x), rtol=1e-5, atol=0 if power else 1e-5)


def test_a_scale_behind_the_product_stays_exact(user_net: Any, user_net_class: Any, pixels: Any) -> None:
    class Scaled(user_net_class):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            first, last = self.layers[0], self.layers[2]
            x = F.linear(self.prepare(x), self.weights(first)) * first.weight.abs().mean(1)
            x = signs(self.norms[0](x)) @ signs(self.layers[1].weight).t()
            return torch.mm(signs(x), signs(last.weight).t()) * last.weight.abs().mean(1) + 0.125

    net, x = user_net(kind=Scaled), pixels(100, 30)
    packed = convert(net, x)
    assert operators(packed) == ["dense_u8_bits", "dense_bits", "dense_float"]
    with torch.no_grad():
        assert torch.equal(packed(x), net.eval()(x))


def test_sequential_of_foreign_modules_converts(pixels: Any) -> None:
    torch.manual_seed(0)
    linears = [nn.Linear(20, 33), nn.Linear(33, 4)]
    for linear in linears:
        nn.utils.parametrize.register_parametrization(linear, "weight", SignModule())
        nn.init.zeros_(linear.bias)
    net = nn.Sequential(Normalised(), linears[0], nn.BatchNorm1d(33), nn.Dropout(), SignModule(), linears[1])
    x = pixels(30, 20)
    packed = convert(net, x)
    assert operators(packed) == ["dense_u8_bits", "dense_float"]
    assert [layer.name for layer in packed.layers()] == ["1", "5"]
    with torch.no_grad():
        assert torch.equal(packed(x).argmax(1), net.eval()(x).argmax(1))


class Normalised(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x.float() / 255 - 0.1307) / 0.3081


def test_the_model_is_left_as_it_was(user_net: Any, pixels: Any) -> None:
    net = user_net()
    net.train()
    net.norms[1].eval()
    before, modes = copy.deepcopy(net.state_dict()), [module.training for module in net.modules()]
    packed = convert(net, pixels(9, 30))
    assert modes == [module.training for module in net.modules()]
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())
    own = {tensor.data_ptr() for tensor in net.state_dict().values()}
    assert not own & {tensor.data_ptr() for tensor in packed.state_dict().values()}


def test_the_batch_is_free(user_net: Any, pixels: Any) -> None:
    net = user_net()
    packed = convert(net, pixels(1, 30))
    for count in (1, 2, 7, 300):
        x = pixels(count, 30, seed=count)
        with torch.no_grad():
            assert torch.equal(packed(x), net.eval()(x))


def test_layers_that_cannot_be_binary_stay_float_with_their_reason() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 20), nn.BatchNorm1d(20), SignModule(), nn.Linear(20, 5))
    packed = convert(net, torch.randn(8, 12))
    assert operators(packed) == ["linear", "pack_threshold", "unpack", "linear"]
    x = torch.randn(3, 12)
    before = packed(x)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    assert torch.equal(packed(x), before)  # it shares no memory with the model
    reasons = [layer.note for layer in packed.layers() if layer.operator == "linear"]
    assert all("stays float" in reason and "weights are not binary" in reason for reason in reasons)
    nn.utils.parametrize.register_parametrization(net[0], "weight", SignModule())
    packed = convert(net, torch.randn(8, 12))
    assert "give convert the raw bytes" in packed.layers()[0].note


def test_torch_sign_is_binary_only_where_no_sum_is_a_tie(user_net: Any, pixels: Any) -> None:
    net, x = user_net(widths=(31, 65, 64, 10), activation=torch.sign), pixels(50, 31)
    for norm in net.norms:
        norm.bias.data, norm.weight.data = torch.full_like(norm.bias, 0.1), torch.ones_like(norm.weight)
        norm.running_var.fill_(1.0)
    packed = convert(net, x)
    assert operators(packed) == ["dense_u8_bits", "dense_bits", "dense_float"]
    net.norms[1].weight.data[3], net.norms[1].bias.data[3] = 0.0, 0.0  # channel 3 is now 0 for every sum
    packed = convert(net, x)
    assert operators(packed)[0] == "dense_u8_bits"
    assert "not binary: channel 3 gives 0 for the sum" in packed.layers()[-1].note


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (nn.LogSoftmax(1), "holds an operator that packed networks lack.*as goes for softmax.*1: .*log_softmax"),
        (nn.Sequential(nn.Unflatten(1, (1, 1, 1, 10)), nn.Conv3d(1, 2, (1, 1, 3))), "only convolutions of"),
        (nn.BatchNorm1d(10, track_running_stats=False), "batch_norm"),
    ],
)
def test_operators_that_the_runtime_lacks_are_named(tail: nn.Module, message: str, user_net: Any, pixels: Any) -> None:
    with pytest.raises(ConversionError, match=message):
        convert(nn.Sequential(user_net(), tail), pixels(5, 30))


def test_one_activation_fuses_and_further_elementwise_tails_stay_as_float_operators(user_net: Any, pixels: Any) -> None:
    net, x = nn.Sequential(user_net(), nn.LeakyReLU(0.3), nn.Hardtanh(-5, 5)), pixels(100, 30)
    packed = convert(net, x)
    assert operators(packed)[:3] == ["dense_u8_bits", "dense_bits", "dense_fused"]
    with torch.no_grad():
        assert torch.equal(packed(x), net.eval()(x))


def test_a_saved_network_is_the_converted_one(user_net: Any, pixels: Any, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    net, x = user_net(last_norm=True), pixels(100, 30)
    packed = convert(net, x[:5])
    packed.save(tmp_path / "net.onnx")
    onnx.checker.check_model(str(tmp_path / "net.onnx"))
    loaded = load(tmp_path / "net.onnx")
    assert torch.equal(loaded(x), packed(x))
    assert [layer.note for layer in loaded.layers()] == [layer.note for layer in packed.layers()]
    assert verify(net, loaded, x).ok
