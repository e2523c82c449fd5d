"""A convolution on bits with its max pool is the convolution and the pool, one after the other, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onebit._errors import ShapeError
from onebit.nn import BinaryConv2d, use_bits

BOTH = {"input_quantizer": "sign", "weight_quantizer": "sign"}
FORMS = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 1, "pad_value": -1},
    {"kernel_size": (3, 2), "padding": (2, 1), "stride": (1, 2), "pad_value": 1},
    {"kernel_size": 1},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("quantizer", ["sign", "stochastic-sign"])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_with_the_pool_behind_it(form, quantizer, memory, reals):
    layer = BinaryConv2d(6, 10, **BOTH | {"input_quantizer": quantizer}, **form).to(memory_format=memory)
    use_bits(layer, torch.int8)
    x, found = reals(3, 6, 7, 9).to(memory_format=memory), []
    for forward in (layer.pooled, lambda x: nn.functional.max_pool2d(layer(x), 2)):
        if quantizer == "stochastic-sign":
            layer.input_quantizer.manual_seed(3)
        leaf = x.clone().requires_grad_()
        layer.zero_grad()
        y = forward(leaf)
        y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(4)))
        found.append((y.detach(), leaf.grad, layer.weight.grad))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_a_picture_without_a_whole_window_is_refused(reals):
    layer = BinaryConv2d(6, 10, 3, **BOTH)
    use_bits(layer, torch.int8)
    with pytest.raises(ShapeError, match=r"\(2, 1, 4, 10\)"):
        layer.pooled(reals(2, 6, 3, 6))
