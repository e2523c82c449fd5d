import math

import numpy as np
import pytest
import torch
from torch import nn as torch_nn

from onebit._errors import OptionError, ShapeError
from onebit.nn import ShiftBatchNorm1d, ShiftBatchNorm2d


def np_ap2(x):
    with np.errstate(divide="ignore"):
        return np.sign(x) * np.exp2(np.round(np.log2(np.abs(x))))


def transcription(x, gamma, beta, eps):
    """The algorithm box and the code's gradient, with its own loop over channels: (y, mean, inv_std, backward)."""
    c = x - x.mean(0)
    var = (c * np_ap2(c)).mean(0)
    inv = 1 / np.sqrt(var + eps)
    s = np_ap2(inv)
    y = c * s * np_ap2(gamma) + beta

    def backward(dy):
        dx = dy - dy.mean(0) - np_ap2(c) * s**2 * (np_ap2(c) * dy).mean(0)
        return np_ap2(gamma) * s * dx, (dy * np_ap2(c * s)).sum(0), dy.sum(0)

    return y, x.mean(0), inv, backward


def gaussian(n, c, seed=0, sigma=1.0):
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * sigma + 0.3


def layer_with_parameters(c, **options):
    norm = ShiftBatchNorm1d(c, **options).double()
    generator = torch.Generator().manual_seed(5)
    norm.weight.data = torch.randn(c, generator=generator, dtype=torch.float64)
    norm.bias.data = torch.randn(c, generator=generator, dtype=torch.float64)
    return norm


@pytest.mark.parametrize("sigma", [0.02, 1.0, 37.0])
def test_forward_and_backward_are_the_papers_formulas(sigma):
    x, dy = gaussian(50, 7, sigma=sigma).requires_grad_(), gaussian(50, 7, seed=1)
    norm = layer_with_parameters(7)
    norm(x).backward(dy)
    gamma, beta = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    y, mean, inv, backward = transcription(x.detach().numpy(), gamma, beta, 1e-5)
    dx, dgamma, dbeta = backward(dy.numpy())
    norm.num_batches_tracked.zero_()
    np.testing.assert_allclose(norm(x.detach()).detach().numpy(), y, rtol=1e-11, atol=1e-12)
    for got, expected in ((x.grad, dx), (norm.weight.grad, dgamma), (norm.bias.grad, dbeta)):
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    once = layer_with_parameters(7)
    once(x.detach())
    np.testing.assert_allclose(once.running_mean.numpy(), 0.125 * mean, rtol=1e-11)
    np.testing.assert_allclose(once.running_inv_std.numpy(), 0.875 + 0.125 * inv, rtol=1e-11)


@pytest.mark.parametrize("sigma", [1e-1, 1.0, 3.3, 100.0])
def test_one_rounded_factor_makes_a_gaussians_variance_two_percent_high(sigma):
    """mean(C * AP2(C)) / var is 1.018 to 1.023 for a Gaussian; with both factors rounded it would be 1.077 or more."""
    norm = ShiftBatchNorm1d(1, momentum=1.0, eps=1e-12).double()
    x = gaussian(400_000, 1, sigma=sigma)
    norm(x)
    ratio = float(norm.running_inv_std) ** -2 / float(x.var(correction=0))
    assert 1.015 < ratio < 1.026


@pytest.mark.parametrize(("sigma", "expected"), [(1.25, 1.25), (1.6, 0.8), (10, 1.25), (23.7, 0.741)])
def test_the_output_deviation_is_the_inputs_shifted_into_one_octave(sigma, expected):
    x = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(3)) * sigma
    assert float(ShiftBatchNorm1d(1)(x).detach().std()) == pytest.approx(expected, rel=0.01)


def test_evaluation_shifts_by_the_rounded_running_deviation():
    norm = layer_with_parameters(5)
    norm.running_mean.copy_(gaussian(1, 5)[0])
    norm.running_inv_std.copy_(torch.tensor([0.3, 1.4, 1.42, 0.7, 0.75]))
    x = gaussian(9, 5)
    expected = (x - norm.running_mean) * torch.tensor([0.25, 1.0, 2.0, 0.5, 1.0])
    expected = expected * torch.from_numpy(np_ap2(norm.weight.detach().numpy())) + norm.bias
    assert torch.equal(norm.eval()(x), expected)


def test_the_last_bit_option_floors_every_ap2():
    x = gaussian(2000, 3, sigma=1.6)
    norm = ShiftBatchNorm1d(3, rounding="floor", momentum=1.0).double()
    norm.weight.data = torch.tensor([1.9, 0.51, -3.9], dtype=torch.float64)
    y = norm(x)
    c = (x - x.mean(0)).numpy()
    inv = 1 / np.sqrt((c * np.sign(c) * np.exp2(np.floor(np.log2(np.abs(c))))).mean(0) + 1e-5)
    np.testing.assert_allclose(y.detach().numpy(), c * np.exp2(np.floor(np.log2(inv))) * [1, 0.5, -2], rtol=1e-11)
    np.testing.assert_allclose(norm.eval()(x).detach().numpy(), y.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_maps_and_sequences_are_normalised_over_all_their_places():
    x = gaussian(6 * 4 * 5, 3).float().requires_grad_()
    flat = ShiftBatchNorm1d(3)
    flat(x).square().sum().backward()
    maps = x.detach().view(6, 4, 5, 3).permute(0, 3, 1, 2).contiguous().requires_grad_()
    layer = ShiftBatchNorm2d(3)
    y = layer(maps)
    y.square().sum().backward()
    torch.testing.assert_close(y.detach().permute(0, 2, 3, 1).reshape(-1, 3), flat(x).detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(maps.grad.permute(0, 2, 3, 1).reshape(-1, 3), x.grad, rtol=1e-4, atol=1e-5)
    rows = x.detach().view(6, 20, 3).transpose(1, 2)
    torch.testing.assert_close(ShiftBatchNorm1d(3)(rows), layer(maps).detach().flatten(2), rtol=1e-5, atol=1e-6)


def test_without_beta_it_is_the_algorithm_box_and_without_gamma_the_bare_shift():
    x = gaussian(30, 4).float()
    full, boxed, bare = ShiftBatchNorm1d(4), ShiftBatchNorm1d(4, bias=False), ShiftBatchNorm1d(4, affine=False)
    assert (boxed.bias, bare.weight, bare.bias) == (None, None, None)
    for _ in range(2):
        y = full(x)
        assert torch.equal(boxed(x), y)
        assert torch.equal(bare(x), y)
        for norm in (full, boxed, bare):
            norm.eval()


def test_half_precision_inputs_are_normalised_in_float32():
    x = gaussian(40, 3).to(torch.bfloat16)
    y = ShiftBatchNorm1d(3)(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, ShiftBatchNorm1d(3)(x.float()).to(torch.bfloat16))


def test_a_nan_stays_visible():
    x = gaussian(8, 2).float()
    x[3, 1] = math.nan
    norm = ShiftBatchNorm1d(2)
    assert norm(x).isnan().any(0).tolist() == [False, True]
    assert norm.eval()(torch.zeros(1, 2)).isnan().tolist() == [[False, True]]


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's, about its own tracing
def test_compiled_it_computes_the_same():
    compiled = torch.compile(ShiftBatchNorm1d(4), backend="aot_eager", fullgraph=True)
    plain, x = ShiftBatchNorm1d(4), gaussian(20, 4).float()
    for layer in (plain, compiled):
        layer(x).square().sum().backward()
    assert torch.equal(plain.weight.grad, compiled.weight.grad)
    assert torch.equal(plain.running_inv_std, compiled.running_inv_std)


def test_wrong_options_are_refused():
    with pytest.raises(OptionError, match=r"ShiftBatchNorm1d: rounding is 'ceil'"):
        ShiftBatchNorm1d(3, rounding="ceil")
    with pytest.raises(ShapeError, match=r"ShiftBatchNorm2d\(num_features=3\): input has shape \(2, 3\)"):
        ShiftBatchNorm2d(3)(torch.zeros(2, 3))
    assert not isinstance(ShiftBatchNorm2d(3), torch_nn.BatchNorm2d)
