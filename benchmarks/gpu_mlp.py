"""The paper's MLP, 784 - 3 x 4096 - 10 over 10,000 images, from uint8 pixels to scores: one network, several engines.

All engines compute the same integers; batch normalisation and sign are one threshold per channel in each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from onebit import ops
from onebit.ops.cuda import paper_concatenate, paper_gemm, paper_xnor_gemm

WIDTHS = (784, 4096, 4096, 4096, 10)
IMAGES = 10_000


class Network:
    """Random signs and thresholds; the operands of every engine, made once."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, images: int = IMAGES) -> None:
        self.x = torch.randint(0, 256, (images, widths[0]), device="cuda", dtype=torch.uint8)
        pairs = list(itertools.pairwise(widths))
        self.signs = [torch.randint(0, 2, (n, k), device="cuda") * 2.0 - 1.0 for k, n in pairs]
        self.handles = [torch.ops.onebit.pack_weights(ops.pack(s.cpu()).cuda(), s.shape[1]) for s in self.signs]
        self.threshold = [
            torch.randint(-spread, spread, (n,), device="cuda", dtype=torch.int32)
            for (_, n), spread in zip(pairs, (3000, *(40,) * (len(pairs) - 1)), strict=True)
        ]
        self.up = torch.ones(4096, device="cuda", dtype=torch.int8)
        self.scale, self.bias = torch.full((widths[-1],), 0.125, device="cuda"), torch.ones(widths[-1], device="cuda")
        self.columns = [s.t().contiguous() for s in self.signs]  # the paper's kernels want k first
        self.column_words = [paper_concatenate(s).t().contiguous() for s in self.signs]
        self.halves = [s.bfloat16() for s in self.signs]

    def onebit(self) -> Tensor:
        """Bits from layer to layer."""
        call, x = torch.ops.onebit, self.x
        for i, signs in enumerate(self.signs[:-1]):
            n, k = signs.shape
            dense = call.dense_bits if i else call.dense_u8_bits
            x = dense(x, self.handles[i], n, k, self.threshold[i], self.up[:n])
        n, k = self.signs[-1].shape
        return call.dense_float(x, self.handles[-1], n, k, self.scale, self.bias)

    def floats(self, product: Callable[[Tensor, int], Tensor], dtype: torch.dtype) -> Tensor:
        """Layers as float products, each followed by its threshold."""
        x = self.x.to(dtype)
        for i in range(len(self.signs) - 1):
            x = torch.where(product(x, i) >= self.threshold[i], 1.0, -1.0).to(dtype)
        return product(x, len(self.signs) - 1).float() * self.scale + self.bias

    def cublas(self) -> Tensor:
        """float32; exact here, as every sum is below 2**24."""
        return self.floats(lambda x, i: x @ self.signs[i].t(), torch.float32)

    def cublas_bf16(self) -> Tensor:
        """bfloat16: sums are rounded to eight bits, so its scores differ."""
        return self.floats(lambda x, i: x @ self.halves[i].t(), torch.bfloat16)

    def paper_baseline(self) -> Tensor:
        """The paper's unoptimised float product."""
        return self.floats(lambda x, i: paper_gemm(x, self.columns[i]), torch.float32)

    def paper_xnor(self) -> Tensor:
        """The paper's XNOR product; the first layer is the float product, as its input is not binary."""

        def product(x: Tensor, i: int) -> Tensor:
            if i == 0:
                return paper_gemm(x, self.columns[0])
            return paper_xnor_gemm(paper_concatenate(x), self.column_words[i], x.shape[1])

        return self.floats(product, torch.float32)
