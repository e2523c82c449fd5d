import pytest
import torch
from torch import nn as torch_nn

from onebit.nn import BinaryConv2d

FORMS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": (3, 2), "padding": (2, 1), "dilation": (1, 2)},
    {"kernel_size": (2, 5), "padding": "same"},
    {"kernel_size": 3, "padding": "valid", "groups": 2},
]


def gradients(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    y.square().sum().backward()
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # torch's, about its own copy of the input
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_without_quantizers_it_is_torchs_layer_bit_for_bit(form, bias):
    layers = []
    for kind, more in ((torch_nn.Conv2d, {}), (BinaryConv2d, {"weight_quantizer": None})):
        torch.manual_seed(2)
        layers.append(kind(4, 6, bias=bias, **form, **more))
    x = torch.randn(2, 4, 9, 8)
    for a, b in zip(gradients(layers[1], x), gradients(layers[0], x), strict=True):
        assert torch.equal(a, b)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("pad_value", [0, 1, -1])
@pytest.mark.parametrize("form", FORMS)
def test_output_is_the_convolution_of_signs_with_signs_around(form, pad_value):
    torch.manual_seed(4)
    layer = BinaryConv2d(4, 6, **form, pad_value=pad_value, input_quantizer="sign")
    x = torch.randn(2, 4, 9, 8)
    xb, wb = (torch.where(t < 0, -1.0, 1.0).double() for t in (x, layer.weight))
    # By the definition: the weights that meet the padding are all weights less those that meet a picture of ones.
    plain = torch_nn.Conv2d(4, 6, bias=False, **form).double()
    plain.weight.data.copy_(wb)
    outside = wb.sum((1, 2, 3)).view(-1, 1, 1) - plain(torch.ones_like(xb))
    assert torch.equal(layer(x).double(), plain(xb) + pad_value * outside)
