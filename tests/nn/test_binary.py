import copy

import pytest
import torch

from onebit._errors import OptionError, UnknownName
from onebit.nn import BinaryConv2d, BinaryLayer, BinaryLinear

MAKE = [lambda **options: BinaryLinear(5, 3, **options), lambda **options: BinaryConv2d(5, 3, 2, **options)]


@pytest.mark.parametrize("make", MAKE)
def test_layers_give_their_operands_as_they_use_them(make):
    layer = make(input_quantizer="sign")
    assert isinstance(layer, BinaryLayer)
    assert torch.equal(layer.binary_weight(), torch.where(layer.weight < 0, -1.0, 1.0))
    assert layer.binary_input(torch.tensor([-2.0, 0.0])).tolist() == [-1.0, 1.0]
    plain = make(weight_quantizer=None)
    x = torch.randn(3)
    assert plain.binary_weight() is plain.weight
    assert plain.binary_input(x) is x


@pytest.mark.parametrize("make", MAKE)
def test_a_quantizer_is_a_submodule_that_follows_the_mode(make):
    layer = make(weight_quantizer="stochastic-sign").eval()
    assert not layer.weight_quantizer.training
    assert torch.equal(layer.binary_weight(), layer.binary_weight())
    assert copy.deepcopy(layer).weight_quantizer is not layer.weight_quantizer


@pytest.mark.parametrize("make", MAKE)
def test_an_unknown_quantizer_is_refused(make):
    with pytest.raises(UnknownName, match="Did you mean 'sign'"):
        make(weight_quantizer="sing")
    with pytest.raises(OptionError, match="A quantizer was given as 1"):
        make(input_quantizer=1)
