from __future__ import annotations

import numpy as np
import pytest
import torch

from onebit._errors import OptionError
from onebit.data import GlobalContrast, LocalContrast

X = torch.randint(0, 256, (5, 3, 8, 6), generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("scale", [1.0, 55.0])
@pytest.mark.parametrize("bias", [0.0, 10.0])
@pytest.mark.parametrize("std", [False, True])
def test_global_contrast_is_pylearn2s_formula(scale: float, bias: float, std: bool) -> None:
    x = X.double().numpy().reshape(5, -1)
    centred = x - x.mean(1, keepdims=True)
    energy = x.var(1, ddof=1) if std else (centred**2).sum(1)
    expected = centred / (np.sqrt(bias + energy) / scale)[:, None]
    found = GlobalContrast(scale, bias, std)(X).double().numpy().reshape(5, -1)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_after_global_contrast_every_picture_has_mean_0_and_the_scale_as_norm() -> None:
    y = GlobalContrast(55)(X).flatten(1).double()
    assert float(y.mean(1).abs().max()) < 1e-6
    assert torch.allclose(y.norm(dim=1), torch.full((5,), 55.0, dtype=torch.float64), rtol=1e-6)


def test_a_picture_of_one_colour_becomes_nought() -> None:
    flat = torch.full((2, 3, 8, 6), 77.0)
    assert torch.equal(GlobalContrast(55)(flat), torch.zeros(2, 3, 8, 6))
    assert torch.isfinite(LocalContrast()(torch.zeros(2, 3, 8, 6))).all()


def slow_blur(x: np.ndarray, size: int, sigma: float) -> np.ndarray:
    reach = size // 2
    kernel = np.array(
        [
            [np.exp(-(i * i + j * j) / (2 * sigma**2)) for j in range(-reach, reach + 1)]
            for i in range(-reach, reach + 1)
        ]
    )
    kernel /= kernel.sum()
    padded = np.pad(x, reach)
    return np.array(
        [[(padded[i : i + size, j : j + size] * kernel).sum() for j in range(x.shape[1])] for i in range(x.shape[0])]
    )


@pytest.mark.parametrize(("size", "sigma"), [(1, 2.0), (3, 1.0), (5, 2.0), (9, 2.0)])
def test_local_contrast_is_the_formula_pixel_by_pixel(size: int, sigma: float) -> None:
    found = LocalContrast(size, sigma)(X).double().numpy()
    for picture, result in zip(X.double().numpy(), found, strict=True):
        for x, y in zip(picture, result, strict=True):
            centred = x - slow_blur(x, size, sigma)
            s = np.sqrt(slow_blur(centred**2, size, sigma))
            assert np.abs(centred / np.maximum(np.maximum(s, s.mean()), 1e-4) - y).max() < 1e-4


@pytest.mark.parametrize("options", [{"size": 4}, {"size": 0}, {"sigma": 0}, {"threshold": 0}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(OptionError, match="lcn: size is"):
        LocalContrast(**options)
    with pytest.raises(OptionError, match="gcn: scale is 0"):
        GlobalContrast(0)
    with pytest.raises(OptionError, match=r"gcn: .* bias -1"):
        GlobalContrast(1, -1)
