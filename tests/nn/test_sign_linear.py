import pytest
import torch

from onebit.nn import BinaryLinear
from onebit.quantizers import Quantizer

BOTH = {"input_quantizer": "sign", "weight_quantizer": "sign"}


@pytest.mark.parametrize("shape", [(5, 70), (70,), (2, 3, 70)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("backward", [torch.float32, torch.bfloat16, torch.int8])
def test_on_bits_output_and_gradients_are_the_same(shape, bias, backward, reals, assert_same):
    assert_same(BinaryLinear(70, 33, bias, **BOTH), reals(*shape), backward)


@pytest.mark.parametrize("drawn", ["input_quantizer", "weight_quantizer"])
@pytest.mark.parametrize("backward", [torch.float32, torch.bfloat16, torch.int8])
def test_signs_that_are_drawn_are_the_same_on_bits(drawn, backward, reals, assert_same):
    layer = BinaryLinear(70, 33, **(BOTH | {drawn: "stochastic-sign"}))
    assert_same(layer, reals(2, 3, 70), backward)
    assert_same(layer.eval(), reals(2, 3, 70), backward)


@pytest.mark.parametrize("backward", [torch.float32, torch.int8])
def test_an_empty_batch_passes(backward, assert_same):
    assert_same(BinaryLinear(70, 33, **BOTH), torch.zeros(0, 70), backward)


class Narrow(Quantizer):
    """A sign whose slope is 2 where |x| <= 1/2."""

    levels = (-1, +1)

    def quantize(self, x):
        return torch.where(x < 0, -1.0, 1.0)

    def slope(self, x):
        return 2.0 * (x.abs() <= 0.5)


def test_another_sign_keeps_its_own_slope(reals, assert_same):
    assert_same(BinaryLinear(70, 33, input_quantizer=Narrow(), weight_quantizer=Narrow()), reals(5, 70))
