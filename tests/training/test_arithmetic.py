import pytest
import torch
from torch import nn as torch_nn

from onebit._errors import NativeError
from onebit.nn import BinaryConv2d, BinaryLinear
from onebit.ops import native
from onebit.training import _arithmetic, train
from onebit.training._arithmetic import set_arithmetic
from onebit.training._recipe import ArithmeticOptions

CPU = torch.device("cpu")
SMALL = ("model.options={hidden: [24, 16], inputs: 64, classes: 4, dropout: [0, 0]}", "epochs=2")


def network():
    return torch_nn.Sequential(
        BinaryConv2d(3, 8, 3),
        BinaryConv2d(8, 8, 3, input_quantizer="sign"),
        torch_nn.Flatten(),
        BinaryLinear(8, 4, input_quantizer="sign"),
    )


def test_it_says_what_runs():
    model = network()
    said = set_arithmetic(model, ArithmeticOptions(backward="bfloat16"), CPU)
    assert said == "forward on bits in 2 of 3 binary layers, their gradients in bfloat16"
    said = set_arithmetic(model, ArithmeticOptions(backward="int8"), CPU)
    assert said.split(";")[0].endswith("2 of 3 binary layers, their gradients in int8")
    model.append(BinaryConv2d(8, 8, 3, groups=2, input_quantizer="sign"))
    said = set_arithmetic(model, ArithmeticOptions(backward="int8"), CPU)
    assert said.split(";")[0].endswith("3 of 4 binary layers, their gradients in int8 (2) and float32 (1)")
    model = network()
    set_arithmetic(model, ArithmeticOptions(backward="bfloat16"), CPU)
    assert [layer.bits_backward for layer in model if hasattr(layer, "bits_backward")] == [None, *[torch.bfloat16] * 2]
    assert model[1].weight.is_contiguous(memory_format=torch.channels_last)
    assert "as the recipe says" in set_arithmetic(model, ArithmeticOptions(forward="float"), CPU)
    assert "floats, on meta" in set_arithmetic(model, ArithmeticOptions(), torch.device("meta"))


@pytest.mark.parametrize("isa", native.available_isas("gradient_x"))
def test_int8_where_no_vector_multiplies_bytes_is_said_to_be_slow(isa):
    with native.force(isa):
        said = set_arithmetic(network(), ArithmeticOptions(backward="int8"), CPU)
        auto = set_arithmetic(network(), ArithmeticOptions(backward="auto"), CPU)
    slow = "; int8 is SLOW here: its kernels are those of scalar; arithmetic.backward=auto is faster"
    assert said.endswith(slow if isa == "scalar" else "their gradients in int8")
    assert auto.endswith(f"their gradients in {'float32' if isa == 'scalar' else 'int8'}")


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        (ArithmeticOptions(backward="bfloat16"), "backward=auto"),
        (ArithmeticOptions(autocast="bfloat16"), "autocast=null"),
    ],
)
def test_bfloat16_where_the_cpu_cannot_multiply_it_is_said_to_be_slow(options, instead, monkeypatch):
    for fast in (True, False):
        monkeypatch.setattr(_arithmetic, "halves_are_fast", lambda fast=fast: fast)
        said = set_arithmetic(network(), options, CPU)
        assert said.endswith(f"SLOW here: this CPU cannot multiply it; arithmetic.{instead} is faster") != fast
    assert "SLOW" not in set_arithmetic(network(), ArithmeticOptions(autocast="bfloat16"), torch.device("meta"))


def test_a_network_without_two_signs_is_said_to_stay_on_floats():
    model = torch_nn.Sequential(BinaryConv2d(3, 8, 3), BinaryLinear(8, 4))
    said = set_arithmetic(model, ArithmeticOptions(backward="int8"), CPU)
    assert said == "forward and backward on floats: none of 2 binary layers stands between two signs"


def test_a_missing_library_is_named_and_refused_only_if_bits_are_asked_for(monkeypatch):
    def missing(*_):
        raise NativeError("libonebit was not found; searched: here.")

    monkeypatch.setattr(_arithmetic, "use_bits", missing)
    said = set_arithmetic(network(), ArithmeticOptions(), CPU)
    assert said == "forward on floats: libonebit was not found"
    with pytest.raises(NativeError):
        set_arithmetic(network(), ArithmeticOptions(forward="bits"), CPU)


def test_bits_train_the_same_network_as_floats(tmp_path, recipe, data):
    trained = []
    for forward in ("bits", "float"):
        one = recipe.override(*SMALL, f"arithmetic.forward={forward}")
        train(one, tmp_path / forward, data=data, quiet=True)
        trained.append(torch.load(tmp_path / forward / "checkpoint.pt", weights_only=True)["model"])
    for name, tensor in trained[0].items():
        torch.testing.assert_close(tensor, trained[1][name], msg=name)
