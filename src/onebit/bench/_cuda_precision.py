"""How cuBLAS may round: what its products are compared with depends on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def precision(*, tf32: bool) -> Iterator[None]:
    """cuBLAS may, or may not, round float32 operands to TF32; it never rounds the parts of a bfloat16 sum."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction = tf32, False
    try:
        yield
    finally:
        matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction = before
