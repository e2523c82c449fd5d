"""The matrix product: int32 sums of bits (m, k) times bits (n, k)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit import ops
from onebit.bench._workload import Workload, linear, signs

SAMPLE = 16  # rows that are compared with float32: all would cost as much as a peer


def gemm(m: int, n: int, k: int) -> Workload:
    """`dense_int32` of (m, k) and (n, k), packed beforehand, as between two layers of a network."""
    x, w = signs(m, k, seed=0), signs(n, k, seed=1)
    words, handle = ops.pack(x), ops.pack_weights(ops.pack(w), k)
    network = nn.Sequential(linear(w))

    def run() -> Tensor:
        return ops.dense_int32(words, handle, n, k)

    def check() -> bool:
        rows = slice(None, None, max(1, m // SAMPLE))
        return torch.equal(run()[rows], network(x[rows]).to(torch.int32))

    return Workload("dense_int32", (m, n, k), m * n * k, ("dense",), run, network, x, check)
