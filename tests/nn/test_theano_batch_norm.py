import numpy as np
import pytest
import torch
from torch import nn as torch_nn

from onebit.nn import TheanoBatchNorm1d, TheanoBatchNorm2d


def with_parameters(norm, seed=4):
    generator = torch.Generator().manual_seed(seed)
    norm.weight.data = torch.randn(norm.num_features, generator=generator, dtype=torch.float64)
    norm.bias.data = torch.randn(norm.num_features, generator=generator, dtype=torch.float64)
    return norm


def test_it_is_the_formula_with_running_inverse_deviations():
    """mean and inv_std of three batches, averaged with weight 0.1, in plain numpy; then evaluation by them."""
    generator = np.random.default_rng(0)
    norm = with_parameters(TheanoBatchNorm1d(6).double())
    gamma, beta = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    mean, inv_std = np.zeros(6), np.ones(6)
    for _ in range(3):
        x = generator.normal(2, 3, (11, 6))
        inv = 1 / np.sqrt(((x - x.mean(0)) ** 2).mean(0) + 1e-4)
        expected = (x - x.mean(0)) * (gamma * inv) + beta
        np.testing.assert_allclose(norm(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-10, atol=1e-12)
        mean, inv_std = 0.9 * mean + 0.1 * x.mean(0), 0.9 * inv_std + 0.1 * inv
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(norm.running_inv_std.numpy(), inv_std, rtol=1e-12)
    x = generator.normal(2, 3, (5, 6))
    expected = (x - norm.running_mean.numpy()) * (gamma * norm.running_inv_std.numpy()) + beta
    assert np.array_equal(norm.eval()(torch.from_numpy(x)).detach().numpy(), expected)


@pytest.mark.parametrize("shape", [(9, 3), (4, 3, 7), (4, 3, 5, 2)])
def test_training_gives_torchs_outputs_and_gradients(shape):
    kind, peer = (
        (TheanoBatchNorm2d, torch_nn.BatchNorm2d) if len(shape) == 4 else (TheanoBatchNorm1d, torch_nn.BatchNorm1d)
    )
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    results = []
    for layer in (kind(3).double(), peer(3, eps=1e-4).double()):
        ours = x.clone().requires_grad_()
        y = with_parameters(layer)(ours)
        y.pow(3).sum().backward()
        results.append((y.detach(), ours.grad, layer.weight.grad, layer.bias.grad, layer.running_mean))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_half_precision_inputs_keep_float32_statistics():
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
    norm = TheanoBatchNorm1d(3)
    assert norm(x).dtype == torch.bfloat16
    assert norm.running_inv_std.dtype == torch.float32
