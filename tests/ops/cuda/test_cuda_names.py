from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from onebit import bits, ops
from onebit.ops import cuda
from onebit.ops.cuda._operators import CONV2D, DENSE

HOPPER, AMPERE = (9, 0), (8, 0)


def files(names: str, operator: str) -> list[str]:
    """The entry points that the words stand for."""
    first, *more = names.split(", ")
    return [f"onebit_{operator}_{first.split()[0]}", *(f"onebit_{name}" for name in more)]


@pytest.mark.parametrize(("capability", "m", "k", "expected"), [
    (HOPPER, 3, 256, "popc 4x64"), (HOPPER, 70, 256, "wgmma 128x64"), (AMPERE, 70, 256, "mma 128x128"),
])  # fmt: skip
def test_the_dense_kernels_that_are_named_are_those_that_run(
    software_gpu: Callable, capability: tuple[int, int], m: int, k: int, expected: str
) -> None:
    device = software_gpu(capability, processors=100)
    op = next(op for op in DENSE if op.op == "dense_fused")
    x, w = bits.pack(torch.randn(m, k)), bits.pack(torch.randn(9, k))
    cuda.dense(op, x.words, ops.pack_weights(w.words, k), 9, k, torch.ones(9), torch.ones(9), [], [], False)
    named = cuda.dense_kernels(cuda.Device(capability, 100), "dense_fused", m, 9, k)
    assert named == f"{expected}, finish"
    ran = [name for name, _ in device.launched if name != "onebit_row_sums"]
    assert ran == files(named, "dense")


@pytest.mark.parametrize(("capability", "c", "operator", "expected"), [
    (HOPPER, 1024, "conv2d_int32", "wgmma 128x64"), (HOPPER, 64, "conv2d_int32", "mma 128x128"),
    (AMPERE, 256, "conv2d_fused", "mma 128x128, finish"),
])  # fmt: skip
def test_the_conv2d_kernels_that_are_named_are_those_that_run(
    software_gpu: Callable, capability: tuple[int, int], c: int, operator: str, expected: str
) -> None:
    device = software_gpu(capability, processors=1)
    op = next(op for op in CONV2D if op.op == operator)
    x, w = bits.pack(torch.randn(1, 12, 12, c)), bits.pack(torch.randn(64, 3, 3, c))
    sizes = [64, c, [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, 0]
    epilogue = [torch.ones(64), torch.ones(64), [], [], False] if operator == "conv2d_fused" else []
    cuda.conv2d(op, x.words, ops.pack_conv_weights(w.words, c, 1, [3, 3]), *sizes, *epilogue)
    named = cuda.conv2d_kernels(cuda.Device(capability, 1), operator, (1, 12, 12), sizes)
    assert named == expected
    ran = [name for name, _ in device.launched if name != "onebit_row_sums"]
    assert ran == files(named, "conv2d")
