import pytest
import torch
from torch import nn as torch_nn

from onebit import models
from onebit._errors import UnknownName
from onebit.models._norms import NORMS, batch_norm_named
from onebit.nn import ShiftBatchNorm1d, ShiftBatchNorm2d, TheanoBatchNorm1d, TheanoBatchNorm2d

KINDS = {
    "vanilla": (torch_nn.BatchNorm1d, torch_nn.BatchNorm2d, torch_nn.BatchNorm1d),
    "theano": (TheanoBatchNorm1d, TheanoBatchNorm2d, TheanoBatchNorm1d),
    "shift": (ShiftBatchNorm1d, ShiftBatchNorm2d, torch_nn.BatchNorm1d),
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_networks_have_the_batch_norm_they_are_asked_for(name):
    rows, maps, last = KINDS[name]
    norm = (torch_nn.BatchNorm1d, torch_nn.BatchNorm2d, *KINDS["theano"], *KINDS["shift"])
    small = models.mlp(hidden=(8, 8), batch_norm=name)
    assert [type(m) for m in small.modules() if isinstance(m, norm)] == [rows, rows, last]
    conv = models.cifar10_convnet(widths=[4] * 6, hidden=(8, 8), batch_norm=name)
    assert [type(m) for m in conv.modules() if isinstance(m, norm)] == [maps] * 6 + [rows, rows, last]


def test_constants_are_those_of_the_authors_codes():
    found = {}
    for name in NORMS:
        layers = batch_norm_named(name, 3), batch_norm_named(name, 3, maps=True), batch_norm_named(name, 3, last=True)
        found[name] = [(layer.eps, layer.momentum) for layer in layers]
    theano = [(1e-4, 0.1)] * 3
    assert found == {"vanilla": theano, "theano": theano, "shift": [(1e-5, 0.125)] * 2 + [(1e-5, 0.1)]}


def test_the_scores_of_a_shift_based_network_start_with_random_factors():
    torch.manual_seed(0)
    gamma = batch_norm_named("shift", 1000, last=True).weight.detach()
    assert 0 <= gamma.min() < 0.01
    assert 0.99 < gamma.max() <= 1


def test_an_unknown_name_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No batch norm is called 'shifts'\. Did you mean 'shift'"):
        models.mlp(hidden=(8,), batch_norm="shifts")
