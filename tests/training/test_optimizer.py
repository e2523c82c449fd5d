import pytest
import torch
from torch import nn as torch_nn

from onebit._errors import OptionError, UnknownName
from onebit.nn import BinaryLinear
from onebit.optim import ShiftAdaMax, step_scale
from onebit.training._optimizer import learning_rate, make_optimizer
from onebit.training._recipe import OptimizerOptions


def model():
    return torch_nn.Sequential(BinaryLinear(6, 5), torch_nn.BatchNorm1d(5))


def test_rate_falls_exponentially_from_lr_towards_lr_end():
    options = OptimizerOptions(lr=1.0, lr_end=1e-4, decay="epoch")
    assert [learning_rate(options, epoch, 7, 4, 10) for epoch in range(5)] == pytest.approx([1, 0.1, 0.01, 1e-3, 1e-4])
    options = OptimizerOptions(lr=1.0, lr_end=1e-4, decay="step")
    assert learning_rate(options, 0, 0, 4, 10) == 1
    assert learning_rate(options, 2, 5, 4, 10) == pytest.approx(1e-4 ** (25 / 40))


def test_the_papers_rate_is_multiplied_by_its_constant_each_epoch():
    options = OptimizerOptions(lr=0.003, lr_end=3e-7)
    ratio = learning_rate(options, 1, 0, 1000, 500) / learning_rate(options, 0, 0, 1000, 500)
    assert ratio == pytest.approx(0.990832, abs=5e-7)


def test_the_rate_can_halve():
    options = OptimizerOptions(lr=1.0, lr_end=2.0**-3, decay="halving")
    assert [learning_rate(options, epoch, 0, 6, 9) for epoch in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert [learning_rate(options, epoch, 8, 3, 9) for epoch in range(3)] == [1, 0.5, 0.25]


def test_the_rate_can_fall_as_keras_decay_or_along_a_cosine():
    inverse = OptimizerOptions(lr=0.01, lr_end=0.001, decay="inverse")  # the guide's: 90,000 steps of decay 1e-4
    assert learning_rate(inverse, 10, 500, 100, 900) == pytest.approx(0.01 / (1 + 1e-4 * 9500))
    cosine = OptimizerOptions(lr=1.0, lr_end=0.2, decay="cosine")
    assert [learning_rate(cosine, epoch, 0, 4, 9) for epoch in (0, 2, 4)] == pytest.approx([1, 0.6, 0.2])


def test_the_shift_based_optimizer_and_its_scales_are_in_the_catalogue():
    options = OptimizerOptions(name="shift-adamax", lr=2.0**-6, step_scale="ap2", norm_scale=True)
    optimizer = make_optimizer(model(), options)
    assert isinstance(optimizer, ShiftAdaMax)
    scales = [group["lr_scale"] for group in optimizer.param_groups]
    assert scales == pytest.approx([2, 1, (5 / 1.5) ** 0.5])  # the weights' is 2.71, AP2 of it 2
    assert make_optimizer(model(), OptimizerOptions(name="shift-adamax", options={"variant": "paper"}))


def test_options_reach_the_optimizer():
    adam = make_optimizer(model(), OptimizerOptions(lr=0.1, options={"betas": [0.8, 0.9]}))
    assert isinstance(adam, torch.optim.Adam)
    assert adam.defaults["fused"]
    assert adam.param_groups[0]["betas"] == (0.8, 0.9)
    assert adam.param_groups[0]["lr"] == 0.1 * step_scale(torch.empty(5, 6))
    sgd = make_optimizer(model(), OptimizerOptions(name="sgd", step_scale=False, options={"momentum": 0.9}))
    assert isinstance(sgd, torch.optim.SGD)
    assert {group["lr"] for group in sgd.param_groups} == {0.003}


def test_unknown_option_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No option of optimizer 'adam' is called 'beta'. Did you mean 'betas'\?"):
        make_optimizer(model(), OptimizerOptions(options={"beta": 1}))


@pytest.mark.parametrize("options", [{"betas": "foo"}, {"eps": -1.0}, {"fused": True, "foreach": True}])
def test_a_value_that_the_optimizer_does_not_take_is_told(options):
    with pytest.raises(OptionError, match=r"optimizer\.options is \{.*\}, which the optimizer 'adam' does not take: "):
        make_optimizer(model(), OptimizerOptions(options=options))
