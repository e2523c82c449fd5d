"""onebit.nn.Sequential is torch's, and pools inside of a convolution exactly where that gives the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onebit.nn import BinaryConv2d, Sequential, use_bits

BOTH = {"input_quantizer": "sign", "weight_quantizer": "sign"}


def layers(pool: nn.Module, **options: object) -> list[nn.Module]:
    torch.manual_seed(1)
    return [BinaryConv2d(6, 10, 3, padding=1, **BOTH, **options), pool, nn.BatchNorm2d(10)]


def ran(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    leaf = x.clone().requires_grad_()
    model.zero_grad()
    y = model(leaf)
    y.square().sum().backward()
    return [y.detach(), leaf.grad, *(parameter.grad.clone() for parameter in model.parameters())]


@pytest.fixture
def fused(monkeypatch):
    """How often a convolution pooled."""
    calls, pooled = [], BinaryConv2d.pooled
    monkeypatch.setattr(BinaryConv2d, "pooled", lambda self, x: calls.append(1) or pooled(self, x))
    return calls


@pytest.mark.parametrize("backward", [torch.int8, torch.float32, None])
def test_it_does_what_torchs_does(backward, fused, reals):
    ours, torchs = Sequential(*layers(nn.MaxPool2d(2))), nn.Sequential(*layers(nn.MaxPool2d(2)))
    for model in (ours, torchs):
        use_bits(model, backward)
    x = reals(3, 6, 8, 9).contiguous(memory_format=torch.channels_last)
    for one, other in zip(ran(ours, x), ran(torchs, x), strict=True):
        assert torch.equal(one, other)
    assert list(ours.state_dict()) == list(torchs.state_dict())
    assert len(fused) == (backward is torch.int8)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2)])
def test_other_pools_are_called(pool, fused, reals):
    model = Sequential(*layers(pool))
    use_bits(model, torch.int8)
    x = reals(3, 6, 8, 9)
    assert torch.equal(ran(model, x)[0], ran(nn.Sequential(*model), x)[0])
    assert not fused


@pytest.mark.parametrize("options", [{"bias": True}, {"groups": 2}])
def test_other_convolutions_are_called(options, fused, reals):
    model = Sequential(*layers(nn.MaxPool2d(2), **options))
    use_bits(model, torch.int8)
    ran(model, reals(3, 6, 8, 9))
    assert not fused


@pytest.mark.parametrize("listened", [0, 1])
def test_layers_with_hooks_are_called(listened, fused, reals):
    model, heard = Sequential(*layers(nn.MaxPool2d(2))), []
    use_bits(model, torch.int8)
    model[listened].register_forward_hook(lambda *_: heard.append(1))
    ran(model, reals(3, 6, 8, 9))
    assert heard
    assert not fused


def test_a_last_convolution_has_nothing_behind_it(fused, reals):
    model = Sequential(*layers(nn.MaxPool2d(2))[:1])
    use_bits(model, torch.int8)
    assert model(reals(3, 6, 8, 9)).shape == (3, 10, 8, 9)
    assert not fused


def test_it_compiles_as_one_program(reals):
    model = Sequential(*layers(nn.MaxPool2d(2)))
    use_bits(model, torch.int8)
    x = reals(3, 6, 8, 9)
    expected, found = ran(model, x), ran(torch.compile(model, backend="aot_eager", fullgraph=True), x)
    for one, other in zip(expected[:2], found[:2], strict=True):
        torch.testing.assert_close(one, other)
