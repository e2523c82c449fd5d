import subprocess
import sys

import pytest
import torch
from torch import nn as torch_nn

from onebit._errors import OptionError
from onebit.nn import BinaryConv2d, BinaryLinear, _use_bits, use_bits
from onebit.ops import native
from onebit.quantizers import checked

BOTH = {"input_quantizer": "sign", "weight_quantizer": "sign"}


def test_only_layers_between_two_signs_are_chosen():
    float_weights = BinaryLinear(8, 8, input_quantizer="sign", weight_quantizer=None)
    model = torch_nn.Sequential(BinaryLinear(8, 8), BinaryLinear(8, 8, **BOTH), float_weights)
    assert use_bits(model) == ["1"]
    assert use_bits(model, None) == []
    assert model[1].bits_backward is None
    with pytest.raises(OptionError, match=r"backward is torch.float16"):
        use_bits(model, torch.float16)


def test_a_convolution_of_several_groups_goes_back_in_float32_where_int8_is_asked_for():
    model = torch_nn.Sequential(BinaryConv2d(8, 8, 3, **BOTH), BinaryConv2d(8, 8, 3, groups=2, **BOTH))
    assert use_bits(model, torch.int8) == ["0", "1"]
    assert [layer.bits_backward for layer in model] == [torch.int8, torch.float32]


@pytest.mark.parametrize("isa", native.available_isas("gradient_x"))
def test_auto_takes_int8_where_vectors_multiply_bytes(isa):
    model = torch_nn.Sequential(BinaryConv2d(8, 8, 3, **BOTH), BinaryConv2d(8, 8, 3, groups=2, **BOTH))
    with native.force(isa):
        assert use_bits(model, "auto") == ["0", "1"]
    expected = torch.float32 if isa == "scalar" else torch.int8
    assert [layer.bits_backward for layer in model] == [expected, torch.float32]


def test_bfloat16_is_slow_on_an_x86_without_its_instructions_only(monkeypatch):
    for machine, has, fast in [("x86_64", True, True), ("AMD64", False, False), ("arm64", False, True)]:
        monkeypatch.setattr(_use_bits.platform, "machine", lambda machine=machine: machine)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has, raising=False)
        assert _use_bits.halves_are_fast() == fast
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert _use_bits.halves_are_fast()


def test_float64_autocast_and_checked_go_over_floats():
    layer = BinaryLinear(70, 33, **BOTH)
    use_bits(layer)
    assert layer.double()(torch.ones(2, 70).double()).dtype == torch.float64
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(2, 70)).dtype == torch.bfloat16
    with checked(), pytest.raises(OptionError, match="NaN"):
        layer(torch.full((2, 70), float("nan")))


def test_a_float32_layer_multiplies_bits_whatever_torchs_default_dtype_is():
    layer = BinaryLinear(70, 37, **BOTH)  # of a width that no other test has: the scales of each are kept
    x = torch.randn(2, 70)
    expected = layer(x)
    use_bits(layer)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(layer(x), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_model_is_exported_and_compiled_as_before(reals):
    model = torch_nn.Sequential(BinaryLinear(70, 33, **BOTH), torch_nn.BatchNorm1d(33)).eval()
    x = reals(4, 70)
    expected = model(x)
    use_bits(model)
    assert "sign_linear" not in str(torch.export.export(model, (x,)).graph)
    assert torch.equal(torch.compile(model, fullgraph=True, backend="aot_eager")(x), expected)


@torch.no_grad()  # torch warns of what it does itself at a graph break: generators break graphs
def test_a_compiled_layer_draws_the_signs_of_an_eager_one(reals):
    x = reals(4, 70)
    for bits in (None, torch.float32):
        layer = BinaryLinear(70, 33, **(BOTH | {"input_quantizer": "stochastic-sign"}))
        use_bits(layer, bits)
        expected = [layer.input_quantizer.manual_seed(1) and layer(x), layer(x)]
        layer.input_quantizer.manual_seed(1)
        compiled = torch.compile(layer, backend="aot_eager")
        assert [torch.equal(compiled(x), y) for y in expected] == [True, True]


def test_importing_layers_does_not_load_the_native_library():
    code = "import sys, onebit.nn; assert 'onebit.ops' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
