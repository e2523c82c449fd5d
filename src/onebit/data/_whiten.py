"""ZCA whitening: pictures turned and scaled so that over the training pictures no two pixels are correlated."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.data._preprocess import PREPROCESSING, Chunks, Step, first_of

BLOCKS = 4  # of rows of the covariance: it is symmetric, so 10 of 16 blocks are enough


@PREPROCESSING.register("zca")
class Zca(Step):
    r"""y = (x - m) P with P = (C + bias I)^(-1/2), m and C the mean and covariance of the flattened training pictures.

    P is the symmetric root, which changes the pictures least: E diag((l + bias)^(-1/2)) E^T for C = E diag(l) E^T.
    With bias 0 the covariance of y over the training pictures is the identity. Computed in float64; for D = C H W
    values it takes 1.3 n D^2 + 10 D^3 operations once and 2 D^2 a picture, and P has D^2 values in the state.
    arXiv:1302.4389 uses bias 0.1 behind `gcn` with scale 55. Raises OptionError if C + bias I has no inverse.
    """

    learned = ("mean", "matrix")

    def __init__(self, bias: float = 0.1) -> None:
        super().__init__()
        if not bias >= 0:
            raise OptionError(f"zca: bias is {bias!r}. Expected 0 or more.")
        self.bias = float(bias)

    def fit(self, chunks: Chunks) -> None:
        """Mean, covariance, its root."""
        first, every = first_of(chunks)
        size = first[0].numel()
        count, total = 0, torch.zeros(size, dtype=torch.float64, device=first.device)
        for x in every:
            total += x.flatten(1).double().sum(0)
            count += len(x)
        mean = total / count
        covariance = torch.zeros(size, size, dtype=torch.float64, device=first.device)
        for x in chunks():
            centred = x.flatten(1).double() - mean
            for rows in torch.arange(size, device="cpu").chunk(BLOCKS):
                start, end = int(rows[0]), int(rows[-1]) + 1
                covariance[start:end, start:] += centred[:, start:end].T @ centred[:, start:]
        values, vectors = torch.linalg.eigh(covariance / count, UPLO="U")
        values = values + self.bias
        if float(values[0]) <= 1e-10 * float(values[-1]):
            raise OptionError(
                f"zca: the covariance of {count} pictures of {size} values with bias {self.bias:g} has no inverse. "
                "Give a larger bias, such as 0.1, or more pictures."
            )
        self.mean = mean.to(torch.float32)
        self.matrix = ((vectors * values.rsqrt()) @ vectors.T).to(torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        """The formula."""
        return ((x.flatten(1) - self.require("mean")) @ self.require("matrix")).reshape(x.shape)
