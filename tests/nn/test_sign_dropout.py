import copy
import pickle

import pytest
import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import onebit.ops
from onebit._errors import OptionError
from onebit.nn import BinaryLinear, use_bits
from onebit.nn._sign_dropout import drawn, dropout, two_signs
from onebit.quantizers import checked


@pytest.mark.parametrize("k", [1, 63, 64, 65, 130])
def test_both_signs_sum_up_to_the_kept_ones_and_leave_the_rest_of_a_word_clear(k):
    generator = torch.Generator().manual_seed(k)
    x, kept = torch.randn(3, k, generator=generator), torch.rand(3, k, generator=generator) < 0.5
    words = onebit.ops.pack(x)
    both = two_signs(words, kept)
    signs = torch.ops.onebit.unpack(both, k).int()
    assert torch.equal(signs[0] - signs[1], 2 * (~kept).int())
    assert torch.equal(signs[0] + signs[1], 2 * kept.int() * torch.where(x < 0, -1, 1).int())
    assert torch.equal(onebit.ops.pack(signs.float()), both)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_a_share_p_is_dropped_and_the_mean_stays(p, dtype):
    torch.manual_seed(2)
    x = torch.ones(200, 300, dtype=dtype)
    y = dropout(x, p)
    assert y.dtype == dtype
    assert y.unique().tolist() == [0, float(torch.tensor(1 / (1 - p), dtype=dtype))]
    assert float((y == 0).double().mean()) == pytest.approx(p, abs=0.01)


def test_a_seed_draws_the_same_places_for_bits_and_floats():
    x = torch.ones(5, 70)
    torch.manual_seed(4)
    kept = drawn(x, 0.3)
    torch.manual_seed(4)
    assert torch.equal(dropout(x, 0.3) != 0, kept)


@pytest.mark.parametrize("backward", [torch.float32, torch.bfloat16, torch.int8])
@pytest.mark.parametrize("shape", [(5, 70), (70,), (2, 3, 70), (0, 70)])
@pytest.mark.parametrize("p", [0.5, 0.75])
def test_on_bits_output_and_gradients_are_those_of_dropped_signs(p, shape, backward):
    """Inputs beyond the window, exactly at its edge, and infinite ones; factors that are powers of two are exact."""
    torch.manual_seed(7)
    layer = BinaryLinear(70, 33, bias=True, input_quantizer="sign", input_dropout=p)
    x = torch.randn(shape).mul_(1.5)
    x[..., :4] = torch.tensor([1.0, -1.0, torch.inf, -torch.inf])
    found = []
    for dtype in (None, backward):
        use_bits(layer, dtype)
        inputs = x.clone().requires_grad_()
        torch.manual_seed(8)
        y = layer(inputs)
        torch.manual_seed(9)
        found.append((y.detach(), *torch.autograd.grad(y, (inputs, *layer.parameters()), torch.randn(y.shape))))
    (y, *slow), (fast_y, *fast) = found
    assert torch.equal(fast_y, y)
    close = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.int8: 2e-2}[backward]
    for a, b in zip(fast, slow, strict=True):
        assert torch.equal(a == 0, b == 0) or backward is not torch.float32
        torch.testing.assert_close(a, b, rtol=close, atol=close * float(b.abs().max()) if b.numel() else 0)


def test_a_dropped_input_gets_no_gradient_and_its_weights_none_of_it():
    torch.manual_seed(0)
    layer = BinaryLinear(70, 33, input_quantizer="sign", input_dropout=0.5)
    for backward in (torch.float32, torch.bfloat16, torch.int8):
        use_bits(layer, backward)
        x = torch.zeros(1, 70, requires_grad=True)
        torch.manual_seed(5)
        gx, gw = torch.autograd.grad(layer(x).square().sum(), (x, layer.weight))
        torch.manual_seed(5)
        dropped = ~drawn(x, 0.5)[0]
        assert 0 < int(dropped.sum()) < 70
        assert gx[0, dropped].eq(0).all()
        assert gw[:, dropped].eq(0).all()
        assert gw[:, ~dropped].ne(0).all()


def test_the_float_path_is_torchs_product_of_dropped_inputs():
    torch.manual_seed(3)
    layer, x = BinaryLinear(40, 9, weight_quantizer=None, input_dropout=0.25), torch.randn(6, 40)
    torch.manual_seed(1)
    y = layer(x)
    torch.manual_seed(1)
    assert torch.equal(y, F.linear(dropout(x, 0.25), layer.weight))
    layer.eval()
    assert torch.equal(layer(x), F.linear(x, layer.weight))


WAYS = [None, torch.float32, torch.bfloat16, torch.int8]


def dropping(backward, p=0.5, **options):
    """A layer of 70 signs, its input, and how it multiplies."""
    torch.manual_seed(0)
    layer = BinaryLinear(70, 33, **{"input_quantizer": "sign", "input_dropout": p, **options})
    use_bits(layer, backward)
    return layer, torch.randn(5, 70)


def output_and_gradients(run, layer, x, seed=3):
    inputs = x.clone().requires_grad_()
    torch.manual_seed(seed)
    y = run(inputs)
    return y.detach(), *torch.autograd.grad(y.square().sum(), (inputs, *layer.parameters()))


@pytest.mark.parametrize("backward", WAYS)
def test_a_checkpoint_draws_the_same_places_again(backward):
    layer, x = dropping(backward)
    plain = output_and_gradients(layer, layer, x)
    again = output_and_gradients(lambda x: checkpoint(layer, x, use_reentrant=False), layer, x)
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's, about its own tracing
@pytest.mark.parametrize("backward", WAYS)
def test_compiled_it_computes_the_same(backward):
    layer, x = dropping(backward)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for a, b in zip(output_and_gradients(layer, layer, x), output_and_gradients(compiled, layer, x), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("backward", WAYS)
def test_copies_drop_what_the_layer_drops_and_its_state_has_no_more_than_weights(backward):
    layer, x = dropping(backward)
    expected = output_and_gradients(layer, layer, x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert all(torch.equal(a, b) for a, b in zip(expected, output_and_gradients(other, other, x), strict=True))
    assert list(layer.state_dict()) == ["weight"]


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("quantizer", ["sign", "stochastic-sign"])
def test_only_training_draws(backward, quantizer):
    layer, x = dropping(backward, input_quantizer=quantizer)
    layer.eval()
    before = torch.get_rng_state()
    y = layer(x)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(y, dropping(backward, 0.0, input_quantizer=quantizer)[0].eval()(x))
    assert "rand" not in str(torch.export.export(layer, (x,)).graph)
    assert "rand" in str(torch.export.export(layer.train(), (x,)).graph)


@pytest.mark.parametrize("backward", WAYS)
def test_autocast_keeps_dropped_sums_of_few_signs_exact_and_checked_still_looks(backward):
    layer, x = dropping(backward)
    torch.manual_seed(3)
    y = layer(x)
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(x)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half.float(), y)
    with checked(), pytest.raises(OptionError, match="NaN"):
        layer(x * torch.nan)


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("frozen", ["input", "weight"])
def test_what_is_frozen_gets_no_gradient_and_the_other_the_same(backward, frozen):
    layer, x = dropping(backward)
    _, gx, gw = output_and_gradients(layer, layer, x)
    layer.weight.requires_grad_(frozen != "weight")
    inputs = x.clone().requires_grad_(frozen != "input")
    torch.manual_seed(3)
    layer(inputs).square().sum().backward()
    got, expected = (inputs.grad, gx) if frozen == "weight" else (layer.weight.grad, gw)
    assert torch.equal(got, expected)
    assert (layer.weight if frozen == "weight" else inputs).grad is None


@pytest.mark.parametrize("p", [1, 1.5, -0.1, float("nan"), True, None, "0.5", torch.tensor(0.5)])
def test_a_probability_out_of_range_is_refused(p):
    with pytest.raises(OptionError, match=r"input_dropout is .*Expected a probability in \[0, 1\)"):
        BinaryLinear(4, 4, input_dropout=p)
