import torch
from torch import nn as torch_nn

from onebit.metrics import activation_saturation, weight_saturation
from onebit.nn import BinaryLinear
from onebit.quantizers import Sign


def test_weight_saturation_is_the_share_at_the_clip():
    model = torch_nn.Sequential(BinaryLinear(4, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-1.0, 1.0, 0.99, 0.0]]))
    assert weight_saturation(model) == {"0": 0.5}


def test_activation_saturation_is_the_share_outside_the_window():
    model = torch_nn.Sequential(Sign(), BinaryLinear(5, 5, input_quantizer="sign"))
    x = torch.tensor([[-1.5, -1.0, 0.0, 1.0, 1.5]])
    assert activation_saturation(model, x) == {"0": 0.4, "1.input_quantizer": 0.0}


def test_the_model_is_left_without_hooks_even_after_an_error():
    model = torch_nn.Sequential(Sign(), torch_nn.Linear(2, 2))
    try:
        activation_saturation(model, torch.zeros(1, 3))
    except RuntimeError:
        assert not model[0]._forward_pre_hooks
    else:
        raise AssertionError("the linear layer takes two inputs")
