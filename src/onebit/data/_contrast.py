"""Contrast normalisation of each picture by itself, as pylearn2 defined it: over all of it, or around each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.data._preprocess import PREPROCESSING, Step


@PREPROCESSING.register("gcn")
class GlobalContrast(Step):
    r"""y = (x - mean(x)) / d, with the mean over all values of the picture (global contrast normalisation).

    d = sqrt(bias + sum (x - mean)^2) / scale, or with std=True d = sqrt(bias + var(x)) / scale, var with n - 1.
    A d below 1e-8, that of a picture of one colour, is replaced by 1. x are pixels in 0..255, unless a step before this
    one changed them. Maxout Networks, arXiv:1302.4389, uses scale 55 before `zca`.
    """

    def __init__(self, scale: float = 55.0, bias: float = 0.0, std: bool = False) -> None:
        super().__init__()
        if not scale > 0 or not bias >= 0:
            raise OptionError(f"gcn: scale is {scale!r} and bias {bias!r}. Expected more than 0, and 0 or more.")
        self.scale, self.bias, self.std = float(scale), float(bias), std

    def forward(self, x: Tensor) -> Tensor:
        """The formula."""
        centred = x - x.mean((1, 2, 3), keepdim=True)
        energy = centred.square().sum((1, 2, 3), keepdim=True)
        if self.std:
            energy = energy / max(1, x[0].numel() - 1)
        d = (self.bias + energy).sqrt() / self.scale
        return centred / torch.where(d < 1e-8, 1.0, d)


@PREPROCESSING.register("lcn")
class LocalContrast(Step):
    r"""y = c / max(s, mean(s), threshold), with c = x - G x and s = sqrt(G c^2) (local contrast normalisation).

    G is the weighted mean over a size x size window, by a Gaussian of standard deviation sigma, zeros beyond the
    border; every channel by itself, mean(s) over the channel of the picture. What is the best multi-stage architecture
    for object recognition?, Jarrett, Kavukcuoglu, Ranzato, LeCun 2009; 9 and 2 are those of the paper's SVHN.
    """

    def __init__(self, size: int = 9, sigma: float = 2.0, threshold: float = 1e-4) -> None:
        super().__init__()
        if type(size) is not int or size < 1 or size % 2 == 0 or not sigma > 0 or not threshold > 0:
            raise OptionError(
                f"lcn: size is {size!r}, sigma {sigma!r}, threshold {threshold!r}. Expected an odd number and two "
                "positive ones."
            )
        self.size, self.sigma, self.threshold = size, float(sigma), float(threshold)

    def forward(self, x: Tensor) -> Tensor:
        """The formula."""
        rows, columns = (self._weights(side, x) for side in x.shape[2:])

        def blurred(values: Tensor) -> Tensor:
            return rows @ values @ columns

        centred = x - blurred(x)
        s = blurred(centred.square()).sqrt()
        return centred / s.maximum(s.mean((2, 3), keepdim=True)).clamp(min=self.threshold)

    def _weights(self, side: int, like: Tensor) -> Tensor:
        """The window along one dimension as a symmetric matrix: the Gaussian is a product of rows and columns."""
        at = torch.arange(side, device=like.device)
        apart = at[:, None] - at
        reach = self.size // 2
        offsets = torch.arange(-reach, reach + 1, device=like.device, dtype=torch.float64)
        total = (-offsets.square() / (2 * self.sigma**2)).exp().sum()
        weights = (-apart.double().square() / (2 * self.sigma**2)).exp() / total
        return torch.where(apart.abs() <= reach, weights, 0.0).to(like.dtype)
