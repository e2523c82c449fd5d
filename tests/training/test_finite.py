import math

import pytest
import torch
from torch import nn

from onebit._errors import DivergenceError
from onebit.training._finite import explain, is_finite


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_number_among_many_is_noticed(value):
    tensors = [torch.full((5, 5), 1e38), torch.zeros(3)]  # their sum is not finite, but they are
    assert is_finite(tensors)
    tensors[0][3, 3] = value
    assert not is_finite(tensors)


def test_a_broken_weight_is_named_before_the_outputs_it_breaks(network):
    network[2].weight.data[0, 0] = math.nan
    with pytest.raises(DivergenceError, match=r"2\.weight holds numbers that are not finite"):
        explain(network, torch.ones(1, 3), math.nan)


def test_the_first_broken_output_is_named(network):
    network[0].weight.data.fill_(3e38)
    network[0].bias.data.fill_(3e38)
    with pytest.raises(DivergenceError, match=r"is not finite is 0 \(Linear\).*Lower optimizer\.lr"):
        explain(network, torch.ones(1, 3), math.inf)


def test_the_broken_gradient_nearest_to_the_loss_is_named(network):
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    network[0].weight.grad[0, 0] = math.nan
    network[0].bias.grad[0] = math.nan
    with pytest.raises(DivergenceError, match=r"The gradient of 0\.bias is the nearest"):
        explain(network, torch.ones(1, 3), 0.5)
