import copy

import numpy as np
import pytest
import torch
from torch import nn as torch_nn
from torch import optim as torch_optim

from onebit._errors import DtypeError, OptionError
from onebit.nn import BinaryConv2d, BinaryLinear, ShiftBatchNorm1d
from onebit.optim import ShiftAdaMax, latent_groups, step_scale


def np_ap2(x):
    with np.errstate(divide="ignore"):
        return np.sign(x) * np.exp2(np.round(np.log2(np.abs(x))))


def transcription(p, grads, variant, lr, b1, b2, scale=1.0):
    """The update in plain numpy, as the reference states it."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(grads, start=1):
        m = b1 * m + (1 - b1) * g
        v = np.maximum(b2 * v, np.abs(g))
        if variant == "code":
            v = np_ap2(v) + 2.0**-27
            step = m / v
        else:
            step = np.divide(m, np_ap2(v), out=np.zeros_like(m), where=v > 0)
        p = p - np_ap2(lr / (1 - b1**t)) * scale * step
    return p


def gradients(shape, steps=12, seed=0):
    generator = np.random.default_rng(seed)
    grads = generator.normal(0, 1, (steps, *shape)) * 10.0 ** generator.integers(-4, 2, (steps, *shape))
    grads[:, 0] = 0  # a parameter that never gets one
    grads[3, 1] = 0
    return grads


def run(optimizer, parameter, grads):
    for g in grads:
        parameter.grad = torch.from_numpy(g).to(parameter)
        optimizer.step()
    return parameter.detach()


VARIANTS = {"code": (2.0**-6, 0.9, 0.999), "paper": (2.0**-10, 0.875, 1 - 2.0**-10)}
PATHS = [{"foreach": False}, {"foreach": True}, {}]


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_it_is_the_formula_with_the_variants_own_constants(variant, path):
    start, grads = np.linspace(-1, 1, 7), gradients((7,))
    p = torch_nn.Parameter(torch.from_numpy(start.copy()))
    got = run(ShiftAdaMax([p], variant=variant, **path), p, grads)
    np.testing.assert_allclose(got.numpy(), transcription(start, grads, variant, *VARIANTS[variant]), rtol=1e-12)


def test_the_layers_factor_multiplies_the_rounded_rate():
    layer = BinaryLinear(6, 5).double()
    start, grads = layer.weight.detach().numpy().copy(), gradients((5, 6), seed=1)
    got = run(ShiftAdaMax(latent_groups(layer, 2.0**-6)), layer.weight, grads)
    expected = transcription(start, grads, "code", *VARIANTS["code"], scale=step_scale(torch.empty(5, 6)))
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-11)


def test_the_rounded_rate_falls_as_the_bias_correction_does():
    """AP2(lr / (1 - 0.9**t)) / lr runs 8, 4, 4, 4, 2 (seven times), 1, ...; with b1 = 7/8 it runs 8, 4, 4, 2, ... ."""
    for betas, expected in (((0.9, 0.999), [8, 4, 4, 4, *[2] * 7, 1]), ((0.875, 0.999), [8, 4, 4, *[2] * 6, 1])):
        p = torch_nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = ShiftAdaMax([p], lr=1.0, betas=betas)
        rates = []
        for _ in expected:
            before, p.grad = float(p.detach()), torch.ones_like(p)
            optimizer.step()
            state = optimizer.state[p]
            rates.append(round((before - float(p.detach())) * float(state["exp_inf"] / state["exp_avg"]), 9))
        assert rates == expected


def make_model():
    torch.manual_seed(0)
    layers = [BinaryConv2d(3, 8, 3), torch_nn.Flatten(), BinaryLinear(8 * 36, 9), ShiftBatchNorm1d(9)]
    return torch_nn.Sequential(*layers)


def train(model, optimizer, steps, seed=0, scheduler=None):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(16, 3, 8, 8, generator=generator)).square().mul(0.01).sum().backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_lists_and_single_tensors_give_the_same_bits(variant):
    results = []
    for foreach in (True, False):
        model = make_model()
        results.append(train(model, ShiftAdaMax(latent_groups(model, 0.01), variant=variant, foreach=foreach), 6))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_resumed_run_takes_the_same_steps():
    first, second = make_model(), make_model()
    optimizer = ShiftAdaMax(latent_groups(first, 0.01))
    train(first, optimizer, 4, seed=1)
    second.load_state_dict(first.state_dict())
    resumed = ShiftAdaMax(latent_groups(second, 0.5))
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    going_on = [train(m, o, 3, seed=2) for m, o in ((first, optimizer), (second, resumed))]
    assert all(torch.equal(a, b) for a, b in zip(*going_on, strict=True))


def test_schedulers_and_closures_work():
    model = make_model()
    optimizer = ShiftAdaMax(latent_groups(model, 2.0**-6))
    scheduler = torch_optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    train(model, optimizer, 4, scheduler=scheduler)
    assert [group["lr"] / group["lr_scale"] for group in optimizer.param_groups] == pytest.approx([2.0**-8] * 3)

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(4, 3, 8, 8)).sum()
        loss.backward()
        return loss

    assert isinstance(optimizer.step(closure), torch.Tensor)


def test_parameters_without_gradients_stay_and_count_their_own_steps():
    a, b = (torch_nn.Parameter(torch.ones(2)) for _ in range(2))
    for foreach in (True, False):
        optimizer = ShiftAdaMax([a, b], foreach=foreach)
        a.grad, b.grad = torch.ones(2), None
        optimizer.step()
        assert torch.equal(b.detach(), torch.ones(2))
        b.grad = torch.ones(2)
        optimizer.step()
        assert (optimizer.state[a]["step"], optimizer.state[b]["step"]) == (2, 1)
        with torch.no_grad():
            b.fill_(1)


def test_a_nan_gradient_is_not_hidden():
    p = torch_nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([float("nan"), 1.0])
    ShiftAdaMax([p]).step()
    assert p.isnan().tolist() == [True, False]


def test_a_compiler_that_fails_is_said_and_the_plain_update_runs(monkeypatch):
    def broken(_):
        raise RuntimeError("no C++ compiler here")

    monkeypatch.setattr("onebit.optim._shift_adamax.update.compiled", broken)
    plain, fallen = make_model(), make_model()
    optimizer = ShiftAdaMax(fallen.parameters(), compiled=True)
    with pytest.warns(
        UserWarning, match=r"torch\.compile failed \(no C\+\+ compiler here\), so the plain update"
    ) as said:
        got = train(fallen, optimizer, 2)
    assert len(said) == 1
    assert not optimizer.param_groups[0]["compiled"]
    expected = train(plain, ShiftAdaMax(plain.parameters()), 2)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"variant": "torch"}, "variant is 'torch'"),
        ({"foreach": True, "compiled": True}, "at most one"),
        ({"lr": -1.0}, r"lr is -1\.0\. Expected 0 or more"),
        ({"betas": (0.9, 1.0)}, "two numbers in"),
        ({"eps": 0.0}, r"eps is 0\.0"),
    ],
)
def test_options_out_of_range_are_refused(options, text):
    with pytest.raises(OptionError, match=text):
        ShiftAdaMax([torch_nn.Parameter(torch.ones(1))], **options)


def test_weight_decay_and_gradients_it_cannot_take_are_refused():
    p = torch_nn.Parameter(torch.ones(1))
    with pytest.raises(OptionError, match=r"weight_decay is 0\.1\. Expected 0: it has none"):
        ShiftAdaMax([{"params": [p], "weight_decay": 0.1}])
    half = torch_nn.Parameter(torch.ones(1, dtype=torch.float16))
    half.grad = torch.ones_like(half)
    with pytest.raises(DtypeError, match="keep latent weights in float32"):
        ShiftAdaMax([half]).step()
