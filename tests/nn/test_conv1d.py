"""BinaryConv1d is torch's layer with quantizers in front, and a BinaryConv2d of one row."""

from __future__ import annotations

import pytest
import torch
from torch import nn as torch_nn

from onebit.nn import BinaryConv1d, BinaryConv2d, use_bits

FORMS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 2, "padding": 2, "dilation": 2},
    {"kernel_size": 5, "padding": "same"},
    {"kernel_size": 4, "padding": "same"},
    {"kernel_size": 3, "padding": "valid", "groups": 2},
]
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # torch's own


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_without_quantizers_it_is_torchs_layer_bit_for_bit(form, bias):
    layers = []
    for kind, more in ((torch_nn.Conv1d, {}), (BinaryConv1d, {"weight_quantizer": None})):
        torch.manual_seed(2)
        layers.append(kind(4, 6, bias=bias, **form, **more))
    x = torch.randn(2, 4, 9)
    assert torch.equal(layers[1](x), layers[0](x))


@pytest.mark.parametrize("pad_value", [0, 1, -1])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("on_bits", [False, True])
def test_it_is_a_two_dimensional_layer_of_one_row(form, pad_value, on_bits):
    torch.manual_seed(4)
    layer = BinaryConv1d(4, 6, bias=True, **form, pad_value=pad_value, input_quantizer="sign")
    flat = {key: value if isinstance(value, str) or key == "groups" else (int(key != "padding"), value)
            for key, value in form.items()}  # fmt: skip
    twin = BinaryConv2d(4, 6, bias=True, **flat, pad_value=pad_value, input_quantizer="sign")
    twin.weight.data, twin.bias.data = layer.weight.data.unsqueeze(2), layer.bias.data
    if on_bits:
        assert use_bits(layer, torch.float32)
    x = torch.randn(2, 4, 9)
    gradients = []
    for one, given in ((layer, x.clone().requires_grad_()), (twin, x.clone().requires_grad_())):
        y = one(given) if one is layer else one(given.unsqueeze(2)).squeeze(2)
        y.square().sum().backward()
        gradients.append((y.detach(), given.grad, one.weight.grad.flatten(), one.bias.grad))
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-4)
    assert torch.equal(gradients[0][0], gradients[1][0])
