import pytest
import torch
from torch import nn as torch_nn

from onebit._errors import DtypeError, ShapeError
from onebit.nn import BinaryLinear
from onebit.quantizers import Sign, StochasticSign


def gradients(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    y.square().sum().backward()
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("bias", [True, False])
def test_without_quantizers_it_is_torchs_layer_bit_for_bit(bias):
    torch.manual_seed(3)
    theirs = torch_nn.Linear(70, 33, bias)
    torch.manual_seed(3)
    ours = BinaryLinear(70, 33, bias, weight_quantizer=None)
    x = torch.randn(5, 70)
    for a, b in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert torch.equal(a, b)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_output_is_the_product_of_signs():
    torch.manual_seed(5)
    layer = BinaryLinear(129, 17, input_quantizer="sign")
    x = torch.randn(2, 4, 129)
    signs = [torch.where(t < 0, -1, 1) for t in (x, layer.weight)]
    assert torch.equal(layer(x).long(), signs[0] @ signs[1].T)


def test_gradient_reaches_latent_weights_inside_the_window_only():
    layer = BinaryLinear(3, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-1.0, 0.5, 1.5]]))
    layer(torch.tensor([[2.0, 3.0, 4.0]])).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0, 3.0, 0.0]]


def test_latent_weights_fill_the_whole_range():
    torch.manual_seed(0)
    weight = BinaryLinear(300, 300).weight.detach()
    assert -1 <= float(weight.min()) < -0.99
    assert 0.99 < float(weight.max()) <= 1
    assert abs(float(weight.std()) - 3**-0.5) < 0.01


def test_reset_draws_the_same_kind_of_weights():
    layer = BinaryLinear(300, 300)
    layer.reset_parameters()
    assert float(layer.weight.detach().abs().max()) > 0.99


def test_quantizers_are_taken_by_name_and_as_instances():
    stochastic = StochasticSign()
    layer = BinaryLinear(4, 4, input_quantizer=stochastic, weight_quantizer="sign")
    assert layer.input_quantizer is stochastic
    assert isinstance(layer.weight_quantizer, Sign)


def test_wrong_shape_names_what_arrived_and_what_to_do():
    with pytest.raises(ShapeError, match=r"in_features=784\): input has shape \(2, 28, 28\), so its last dim is 28"):
        BinaryLinear(784, 10)(torch.zeros(2, 28, 28))
    with pytest.raises(ShapeError, match=r"Expected \(\.\.\., 784\); for pictures call x.flatten\(1\) first"):
        BinaryLinear(784, 10)(torch.tensor(1.0))


def test_wrong_dtype_names_what_arrived_and_what_to_do():
    layer = BinaryLinear(4, 2)
    with pytest.raises(DtypeError, match=r"input has dtype torch.uint8.*put onebit.nn.Pixels\(\)"):
        layer(torch.zeros(1, 4, dtype=torch.uint8))
    with pytest.raises(DtypeError, match=r"torch.float64, the weights have torch.float32.*x.to\(torch.float32\)"):
        layer(torch.zeros(1, 4, dtype=torch.float64))


def test_autocast_may_mix_floating_dtypes():
    layer = BinaryLinear(4, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.zeros(1, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
