import pytest
import torch
from torch.nn import functional as F

import onebit.ops
from onebit.nn import BinaryLinear, use_bits
from onebit.nn._sign_dropout import drawn, dropout, two_signs


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
