import pytest
import torch
from torch import nn

from onebit.nn._evaluating import evaluating


def test_modes_return_to_what_they_were_even_after_an_error():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout()).train()
    net[1].eval()

    def fails():
        with evaluating(net):
            assert not any(module.training for module in net.modules())
            assert not torch.is_grad_enabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert [module.training for module in net] == [True, False, True]
    assert torch.is_grad_enabled()
