import pytest
import torch
from torch import nn as torch_nn
from torch import optim as torch_optim

from onebit._errors import OptionError, ShapeError
from onebit.nn import BinaryConv2d, BinaryLinear, ShiftBatchNorm1d
from onebit.optim import latent_groups, set_lr, step_scale

# shape of the weight, gamma to two decimals: the values that follow from the formula for the paper's networks
GAMMAS = [
    ((4096, 784), 57.04),
    ((4096, 4096), 73.90),
    ((10, 4096), 52.32),
    ((128, 3, 3, 3), 28.04),
    ((512, 512, 3, 3), 78.38),
]


@pytest.mark.parametrize(("shape", "gamma"), GAMMAS)
def test_step_scale_is_glorots_coefficient(shape, gamma):
    assert step_scale(torch.empty(shape, device="meta")) == pytest.approx(gamma, abs=0.005)


def test_step_scale_needs_a_matrix():
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        step_scale(torch.empty(3))


def make_model():
    torch.manual_seed(0)
    return torch_nn.Sequential(BinaryLinear(6, 5), torch_nn.BatchNorm1d(5), BinaryLinear(5, 3, bias=True)).double()


def steps_taken(kind, scale, **options):
    """What one update subtracts from each parameter."""
    model = make_model()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = kind(latent_groups(model, 1e-4, scale=scale), lr=1e-4, **options)
    torch.manual_seed(1)
    model(torch.randn(8, 6, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    return {name: old - new.detach() for old, (name, new) in zip(before, model.named_parameters(), strict=True)}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch_optim.Adam, {"fused": True}),
        (torch_optim.Adam, {"foreach": False}),
        (torch_optim.SGD, {}),
        (torch_optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (torch_optim.RMSprop, {}),
        (torch_optim.Adamax, {}),
    ],
)
def test_the_step_itself_is_gamma_times_as_long_for_latent_weights_alone(kind, options):
    plain, scaled = (steps_taken(kind, scale, **options) for scale in (False, True))
    gammas = {"0.weight": step_scale(torch.empty(5, 6)), "2.weight": step_scale(torch.empty(3, 5))}
    for name, step in plain.items():
        assert float(step.abs().max()) > 0
        torch.testing.assert_close(scaled[name], step * gammas.get(name, 1.0), rtol=1e-9, atol=1e-15)


def test_every_parameter_is_in_one_group_and_latents_do_not_decay():
    model = make_model()
    model[0].weight.requires_grad_(False)
    optimizer = torch_optim.AdamW(latent_groups(model, 0.1), lr=0.1, weight_decay=0.5)
    latent, others = optimizer.param_groups
    assert [id(p) for p in latent["params"]] == [id(model[2].weight)]
    assert [id(p) for p in others["params"]] == [id(p) for p in (model[1].weight, model[1].bias, model[2].bias)]
    assert (latent["weight_decay"], others["weight_decay"]) == (0.0, 0.5)


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: torch_optim.lr_scheduler.StepLR(optimizer, 1, 0.5),
        lambda optimizer: torch_optim.lr_scheduler.CosineAnnealingLR(optimizer, 5),
        lambda optimizer: torch_optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
    ],
)
def test_schedulers_keep_the_ratio(schedule):
    optimizer = torch_optim.SGD(latent_groups(make_model(), 0.1), lr=0.1)
    scheduler = schedule(optimizer)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    base = optimizer.param_groups[-1]["lr"]
    assert base < 0.1
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(base * group["lr_scale"], rel=1e-9)


def test_set_lr_keeps_the_ratio_and_takes_foreign_groups_as_they_are():
    model = make_model()
    optimizer = torch_optim.SGD([*latent_groups(model, 0.1), {"params": [torch_nn.Parameter(torch.ones(1))]}], lr=0.1)
    set_lr(optimizer, 0.01)
    gammas = [step_scale(torch.empty(5, 6)), step_scale(torch.empty(3, 5)), 1.0, 1.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.01 * gamma for gamma in gammas]


def test_layers_of_one_gamma_share_a_group():
    model = torch_nn.Sequential(BinaryLinear(8, 8), BinaryLinear(8, 8), BinaryConv2d(1, 1, 2))
    assert [len(group["params"]) for group in latent_groups(model, 0.1)] == [2, 1]


def test_a_negative_rate_is_refused():
    with pytest.raises(OptionError, match=r"lr is -0\.1"):
        latent_groups(make_model(), -0.1)


def test_gamma_can_be_a_power_of_two():
    model = torch_nn.Sequential(BinaryConv2d(3, 128, 3), BinaryConv2d(128, 128, 3), BinaryLinear(8192, 1024))
    assert [group["lr_scale"] for group in latent_groups(model, 0.1)] == pytest.approx([28.04, 39.19, 78.38], abs=0.005)
    assert [group["lr_scale"] for group in latent_groups(model, 0.1, scale="ap2")] == [32, 64]
    with pytest.raises(OptionError, match="scale is 'floor'"):
        latent_groups(model, 0.1, scale="floor")


def test_factors_of_batch_norms_can_be_scaled_too():
    model = torch_nn.Sequential(BinaryLinear(4, 2048, bias=True), ShiftBatchNorm1d(2048), torch_nn.BatchNorm1d(2048))
    groups = latent_groups(model, 1.0, norms=True)
    assert [group["lr_scale"] for group in groups] == pytest.approx([36.986, 1, 36.95], abs=0.005)
    assert [id(p) for p in groups[2]["params"]] == [id(model[1].weight), id(model[2].weight)]
    assert [len(group["params"]) for group in latent_groups(model, 1.0)] == [1, 5]
