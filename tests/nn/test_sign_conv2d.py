import copy

import pytest
import torch

from onebit.nn import BinaryConv2d, use_bits
from onebit.ops import native

BOTH = {"input_quantizer": "sign", "weight_quantizer": "sign"}
FORMS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 1, "pad_value": -1, "bias": True},
    {"kernel_size": (3, 2), "padding": (2, 1), "dilation": (1, 2), "pad_value": 1},
    {"kernel_size": (2, 5), "padding": "same"},
    {"kernel_size": 3, "padding": 1, "groups": 2},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
def test_on_bits_output_and_gradients_are_the_same(form, memory, reals, assert_same):
    layer = BinaryConv2d(6, 10, **BOTH, **form).to(memory_format=memory)
    x = reals(3, 6, 7, 9).to(memory_format=memory)
    assert_same(layer, x)
    assert_same(layer, x, torch.int8)


@pytest.mark.parametrize("drawn", ["input_quantizer", "weight_quantizer"])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_signs_that_are_drawn_are_the_same_on_bits(drawn, memory, reals, assert_same):
    layer = BinaryConv2d(6, 10, 3, padding=1, **(BOTH | {drawn: "stochastic-sign"})).to(memory_format=memory)
    x = reals(3, 6, 7, 9).to(memory_format=memory)
    for mode in (layer.train(), layer.eval()):
        assert_same(mode, x)
        assert_same(mode, x, torch.int8)


def test_bfloat16_rounds_upstream_gradients_and_nothing_else(reals, assert_same):
    layer = BinaryConv2d(6, 10, 3, padding=1, **BOTH)
    twin = copy.deepcopy(layer)
    use_bits(twin, torch.bfloat16)
    x, upstream = reals(3, 6, 7, 9), torch.randn(3, 10, 7, 9, generator=torch.Generator().manual_seed(2))
    found = []
    for one, g in ((layer, upstream.bfloat16().float()), (twin, upstream)):
        leaf = x.clone().requires_grad_()
        y = one(leaf)
        y.backward(g)
        found.append((y.detach(), leaf.grad, one.weight.grad))
    (y0, gx0, gw0), (y1, gx1, gw1) = found
    assert torch.equal(y0, y1)
    assert torch.allclose(gx0, gx1, rtol=2**-8, atol=2**-6)  # the products leave in bfloat16
    assert torch.allclose(gw0, gw1, rtol=2**-8, atol=2**-5)
    assert not torch.equal(gx0, gx1)
    assert_same(layer, x, torch.bfloat16)


def test_the_forward_pass_runs_the_native_kernel():
    layer = BinaryConv2d(64, 64, 3, **BOTH)
    use_bits(layer)
    with native.force("scalar"):
        layer(torch.randn(1, 64, 5, 5))
        assert native.ran("conv2d") == "scalar"
    layer(torch.randn(1, 64, 5, 5))
    assert native.ran("conv2d") == native.conv2d_choice((5, 5), 64, 64, (3, 3)).isa


def test_int8_rounds_upstream_gradients_by_steps_of_their_pictures_and_channels(reals):
    layer = BinaryConv2d(6, 10, 3, padding=1, **BOTH)
    twin = copy.deepcopy(layer)
    use_bits(twin, torch.int8)
    x, upstream = reals(3, 6, 7, 9), torch.randn(3, 10, 7, 9, generator=torch.Generator().manual_seed(2))
    leaf = x.clone().requires_grad_()
    twin(leaf).backward(upstream)
    for found, dims in ((leaf.grad, (1, 2, 3)), (twin.weight.grad, (0, 2, 3))):
        step = upstream.abs().amax(dims, keepdim=True) / 127
        other = x.clone().requires_grad_()
        layer.zero_grad()
        layer(other).backward((upstream / step).round() * step)
        expected = other.grad if found is leaf.grad else layer.weight.grad
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("backward", [torch.float32, torch.int8])
def test_a_frozen_operand_gets_no_gradient(backward, reals):
    layer = BinaryConv2d(6, 10, 3, **BOTH)
    use_bits(layer, backward)
    x = reals(1, 6, 5, 5).requires_grad_()
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
