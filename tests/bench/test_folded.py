import pytest
import torch
from torch import nn

from onebit.bench._folded import fold
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.quantizers import Sign


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        Pixels(),
        nn.Sequential(BinaryConv2d(3, 5, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(5)),
        nn.Sequential(BinaryConv2d(5, 6, 3, input_quantizer="sign"), nn.BatchNorm2d(6), Sign()),
        nn.Flatten(),
        BinaryLinear(6 * 2 * 2, 4),
        nn.BatchNorm1d(4),
    ).eval()


def test_a_folded_network_computes_the_same():
    model = network()
    for norm in (model[1][2], model[2][1], model[5]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.data.uniform_(0.5, 2)
        norm.bias.data.normal_()
    x = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8)
    assert torch.allclose(fold(model)(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [-1.0, 0.0])
def test_a_factor_that_no_maximum_lets_through_is_refused(factor):
    model = network()
    model[1][2].weight.data[3] = factor
    with pytest.raises(ValueError, match="not positive"):
        fold(model)


def test_a_norm_without_statistics_is_refused():
    model = nn.Sequential(BinaryLinear(3, 4), nn.BatchNorm1d(4, track_running_stats=False))
    with pytest.raises(ValueError, match="statistics"):
        fold(model)
