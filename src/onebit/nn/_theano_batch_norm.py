"""Batch normalisation as the authors' Theano code computes it, for exact parity with its runs."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit.nn._inverse_std_norm import InverseStdNorm


class _TheanoBatchNorm(InverseStdNorm):
    def __init__(self, num_features: int, eps: float = 1e-4, momentum: float | None = 0.1, affine: bool = True) -> None:
        super().__init__(num_features, eps, momentum, affine, bias=affine)

    def normalize(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(y, mean, inverse standard deviation) of a batch, in torch's own kernel, which keeps the latter two."""
        if self.synchronised:
            return self._normalize_together(x)
        y, mean, inv_std = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, 0.0, self.eps)
        return y, mean, inv_std

    def _normalize_together(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dims = [0, *range(2, x.ndim)]
        mean = self.pooled(x.mean(dims))
        centred = x - self.spread(mean, x.ndim)
        inv_std = torch.rsqrt(self.pooled(centred.square().mean(dims)) + self.eps)
        y = centred * self.spread(inv_std if self.weight is None else inv_std * self.weight, x.ndim)
        return (y if self.bias is None else y + self.spread(self.bias, x.ndim)), mean, inv_std

    def evaluate(self, x: Tensor) -> Tensor:
        """y by the running statistics."""
        factor = self.running_inv_std if self.weight is None else self.weight * self.running_inv_std
        y = (x - self.spread(self.running_mean, x.ndim)) * self.spread(factor, x.ndim)
        return y if self.bias is None else y + self.spread(self.bias, x.ndim)


class TheanoBatchNorm2d(_TheanoBatchNorm):
    """y = (x - mean) * (gamma * inv_std) + beta, inv_std = 1 / sqrt(var + eps) with the biased variance; (N, C, H, W).

    In evaluation mean and inv_std are running averages. torch.nn.BatchNorm* averages the *unbiased variance* instead
    and adds eps when it evaluates; in training both compute the same outputs and gradients.
    eps 1e-4 and momentum 0.1 (the weight of the new batch) are those of the authors' runs.
    Raises OptionError, or ShapeError for another input. Source: arXiv:1602.02830.
    """

    ranks = {4: "(N, C, H, W)"}


class TheanoBatchNorm1d(_TheanoBatchNorm):
    """`TheanoBatchNorm2d` for (N, C) or (N, C, L)."""

    ranks = {2: "(N, C)", 3: "(N, C, L)"}
