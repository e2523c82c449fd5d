import math

import torch
from torch import nn as torch_nn

from onebit.nn import BinaryConv2d, BinaryLinear
from onebit.optim import ShiftAdaMax, clip_after_step, clip_latent_weights


def test_latent_weights_are_clipped_in_place_and_nothing_else():
    model = torch_nn.Sequential(BinaryConv2d(1, 2, 3, bias=True), torch_nn.BatchNorm2d(2), torch_nn.Linear(2, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-3, 3, parameter.numel()).view_as(parameter))
    before = {name: value.clone() for name, value in model.named_parameters()}
    places = [parameter.data_ptr() for parameter in model.parameters()]
    clip_latent_weights(model)
    assert [parameter.data_ptr() for parameter in model.parameters()] == places
    for name, value in model.named_parameters():
        expected = before[name].clamp(-1, 1) if name == "0.weight" else before[name]
        assert torch.equal(value, expected), name


def test_nan_is_not_hidden():
    layer = BinaryLinear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(math.nan)
    clip_latent_weights(layer)
    assert math.isnan(layer.weight.detach().item())


def test_everything_is_clipped_only_when_asked_for():
    model = torch_nn.Sequential(BinaryLinear(3, 2, bias=True), torch_nn.BatchNorm1d(2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(3)
    clip_latent_weights(model, everything=True)
    assert {float(value) for parameter in model.parameters() for value in parameter.detach().flatten()} == {1.0}


def test_clipping_can_be_part_of_any_optimizers_step():
    for kind in (torch.optim.SGD, ShiftAdaMax):
        layer = BinaryLinear(3, 2)
        optimizer = kind(layer.parameters(), lr=64.0)
        handle = clip_after_step(optimizer, layer)
        layer.weight.grad = torch.ones_like(layer.weight)
        optimizer.step()
        assert torch.equal(layer.weight.detach(), -torch.ones(2, 3))
        handle.remove()
        optimizer.step()
        assert float(layer.weight.detach().max()) < -1
