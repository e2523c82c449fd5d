from __future__ import annotations

import numpy as np
import pytest
import torch

from onebit._errors import OptionError
from onebit.data import Zca, preprocess


def correlated(count: int) -> torch.Tensor:
    """Pictures whose neighbouring pixels are alike, as those of photographs are."""
    noise = torch.randn(count, 2, 6, 5, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        noise = noise + 0.7 * noise.roll(1, 3) + 0.5 * noise.roll(1, 2) + 0.3 * noise.flip(1)
    return (127 + 20 * noise).clamp(0, 255).to(torch.uint8)


TRAIN = correlated(1200)


def covariance(y: torch.Tensor) -> torch.Tensor:
    flat = y.flatten(1).double()
    centred = flat - flat.mean(0)
    return centred.T @ centred / len(flat)


def test_the_covariance_of_the_training_pictures_becomes_the_identity() -> None:
    y = preprocess([{"zca": 0}]).fit(TRAIN)(TRAIN)
    assert float((covariance(TRAIN) / covariance(TRAIN).diagonal().mean()).fill_diagonal_(0).abs().max()) > 0.5
    assert torch.allclose(covariance(y), torch.eye(60).double(), atol=1e-4)
    assert float(y.mean(0).abs().max()) < 1e-5


@pytest.mark.parametrize("bias", [0.0, 0.1, 30.0])
def test_the_matrix_is_the_symmetric_inverse_root(bias: float) -> None:
    fitted = preprocess([{"zca": bias}]).fit(TRAIN).steps[0]
    p = fitted.matrix.double()
    assert torch.allclose(p, p.T, atol=1e-9)
    assert float(torch.linalg.eigvalsh(p).min()) > 0
    product = p @ p @ (covariance(TRAIN) + bias * torch.eye(60))
    assert torch.allclose(product, torch.eye(60).double(), atol=1e-4)


def test_it_is_the_obvious_computation() -> None:
    x = TRAIN.flatten(1).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True) + 0.1 * np.eye(60))
    expected = (x - x.mean(0)) @ (vectors / np.sqrt(values)) @ vectors.T
    found = preprocess(["zca"]).fit(TRAIN)(TRAIN).flatten(1).double().numpy()
    assert np.abs(found - expected).max() < 1e-4


def test_behind_global_contrast_it_needs_its_bias() -> None:
    """GCN takes the mean from every picture, so their covariance has no inverse."""
    with pytest.raises(OptionError, match="1200 pictures of 60 values with bias 0 has no inverse"):
        preprocess([{"gcn": 55}, {"zca": 0}]).fit(TRAIN)
    assert torch.isfinite(preprocess([{"gcn": 55}, "zca"]).fit(TRAIN)(TRAIN)).all()
    with pytest.raises(OptionError, match="40 pictures of 60 values"):
        preprocess([{"zca": 0}]).fit(TRAIN[:40])
    with pytest.raises(OptionError, match="zca: bias is -1"):
        Zca(-1)
