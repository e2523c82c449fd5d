import copy

import pytest
import torch

from onebit._errors import OptionError, UnknownName
from onebit.nn import BinaryConv2d, BinaryLayer, BinaryLinear
from onebit.nn.functional import hard_sigmoid

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


@pytest.mark.parametrize("make", [lambda **o: BinaryLinear(6, 4, **o), lambda **o: BinaryConv2d(6, 4, 1, **o)])
@pytest.mark.parametrize("which", ["input_quantizer", "weight_quantizer"])
def test_inputs_and_weights_of_one_layer_are_drawn_in_training_and_signs_in_evaluation(make, which):
    """Drawn sums average to those of 2 * hard_sigmoid - 1, the expectation of a stochastic sign."""
    torch.manual_seed(0)
    layer = make(**({"input_quantizer": "sign"} | {which: "stochastic-sign"}))
    x = torch.rand(2, 6) * 3 - 1.5
    operands = [x, layer.weight.detach().flatten(1)]
    signs = [torch.where(operand < 0, -1.0, 1.0) for operand in operands]
    drawn_one = ["input_quantizer", "weight_quantizer"].index(which)
    means = [2 * hard_sigmoid(t) - 1 if i == drawn_one else signs[i] for i, t in enumerate(operands)]
    x = x if isinstance(layer, BinaryLinear) else x.view(2, 6, 1, 1)
    with torch.no_grad():
        drawn = torch.stack([layer(x).flatten(1) for _ in range(4000)])
        assert float((drawn.mean(0) - means[0] @ means[1].T).abs().max()) < 0.2
        assert bool((drawn % 2 == 0).all())  # sums of six signs
        assert float(drawn.std(0).max()) > 0.3
        assert torch.equal(layer.eval()(x).flatten(1), signs[0] @ signs[1].T)
