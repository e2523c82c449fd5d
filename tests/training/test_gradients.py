import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from onebit import nn as bnn
from onebit._errors import DivergenceError, OptionError
from onebit.training import train
from onebit.training._gradients import Gradients
from onebit.training._loss import LOSSES


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 8, generator=generator), torch.randint(3, (20,), generator=generator)


def network():
    torch.manual_seed(1)
    return nn.Sequential(bnn.BinaryLinear(8, 16), nn.Hardtanh(), bnn.BinaryLinear(16, 3, input_quantizer="sign"))


def gradients(model, recipe, batch, step=1):
    loss = Gradients(Accelerator(), model, model, recipe)(*batch, step)
    return loss, [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("parts", [2, 3, 10])  # 3 does not divide the 20 pictures
def test_a_batch_in_parts_has_the_gradients_of_the_whole(recipe, batch, parts):
    whole_loss, whole = gradients(network(), recipe, batch)
    loss, found = gradients(network(), recipe.override(f"accumulate={parts}"), batch)
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(found, whole)


def test_gradients_of_an_earlier_step_are_gone(recipe, batch):
    model = network()
    _, first = gradients(model, recipe, batch)
    _, second = gradients(model, recipe, batch)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("inputs", [9, 255, 256, 257, 300])
def test_in_bfloat16_sums_of_signs_are_exact_up_to_256_and_rounded_above(recipe, inputs):
    model = nn.Sequential(bnn.BinaryLinear(inputs, 3, input_quantizer="sign"))
    model[0].weight.data.fill_(0.5)
    seen = []
    model[0].register_forward_hook(lambda *about: seen.append(about[2].detach()))
    batch = torch.ones(4, inputs), torch.zeros(4, dtype=torch.int64)
    gradients(model, recipe.override("arithmetic.autocast=bfloat16"), batch)
    assert seen[0].dtype == torch.bfloat16
    assert float(seen[0][0, 0]) == float(torch.tensor(float(inputs)).bfloat16())
    assert (float(seen[0][0, 0]) == inputs) == (inputs != 257)


def test_autocast_leaves_the_loss_near_and_the_weights_in_float32(recipe, batch):
    model = network()
    exact, _ = gradients(network(), recipe, batch)
    loss, found = gradients(model, recipe.override("arithmetic.autocast=bfloat16"), batch)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(exact), rel=0.05)
    assert {gradient.dtype for gradient in found} == {torch.float32}


def test_bits_and_autocast_exclude_each_other(recipe):
    with pytest.raises(OptionError, match=r"arithmetic\.forward is 'bits'"):
        recipe.override("arithmetic.autocast=bfloat16", "arithmetic.forward=bits")


def test_a_loss_that_is_not_a_number_stops_the_run_at_its_step(tmp_path, recipe, data, monkeypatch):
    calls = []

    def spoilt(scores, labels):
        calls.append(1)
        return LOSSES["cross-entropy"](scores, labels) * (math.nan if len(calls) == 13 else 1)

    monkeypatch.setitem(LOSSES, "squared-hinge", spoilt)
    with pytest.raises(DivergenceError, match=r"The loss is nan.*The gradient of output\..* Lower optimizer\.lr"):
        train(recipe, tmp_path, data=data)
    assert len(calls) == 13
    monkeypatch.setitem(LOSSES, "squared-hinge", LOSSES["cross-entropy"])
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (1, 0)  # of the epoch before
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state["model"].values())


def test_a_weight_that_is_not_a_number_is_found_although_its_sign_is_one(recipe, batch):
    model = network()
    model[0].weight.data[0, 0] = math.nan
    gradients(model, recipe, batch, step=49)
    with pytest.raises(DivergenceError, match=r"0\.weight holds numbers"):
        gradients(model, recipe, batch, step=50)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own doing
def test_a_compiled_network_trains_and_keeps_its_names(tmp_path, recipe, data, monkeypatch):
    """With torch's eager backend: which program it makes is torch's matter."""
    compiled = []
    original = torch.compile

    def compile_eagerly(model):
        compiled.append(model)
        return original(model, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    plain = train(recipe.override("epochs=2"), tmp_path / "plain", data=data)
    found = train(recipe.override("epochs=2", "arithmetic.compile=true"), tmp_path / "compiled", data=data)
    assert len(compiled) == 1
    assert found.test_accuracy == plain.test_accuracy
    names = [set(torch.load(tmp_path / run / "checkpoint.pt")["model"]) for run in ("plain", "compiled")]
    assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_network_on_bits_is_compiled_by_torchs_own_backend(tmp_path, recipe, data):
    recipe = recipe.override("epochs=2", "model.options.dropout=[0.0,0.0]", "arithmetic.compile=true")
    result = train(recipe.override("arithmetic.forward=bits"), tmp_path, data=data)
    assert result.best_accuracy > 0.5
