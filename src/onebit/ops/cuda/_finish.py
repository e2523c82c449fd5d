"""A second kernel: exact sums in memory become what no product kernel writes, and sums of parts of k are added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from onebit.ops._epilogue import BITS, BOTH, FLOAT, FUSED, INT32, Output, Result
from onebit.ops.cuda import _driver
from onebit.ops.cuda._launch import aligned, spread
from onebit.ops.cuda._sources import Kernel

DIRECT = (INT32, FLOAT, BITS)  # what the product kernels write themselves


def channels(arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Arrays of one value per channel as kernels read them."""
    return tuple(aligned(array, array.element_size()) for array in arguments)


def finish(output: Output, sums: Tensor, arguments: Sequence[Any], result: Result, parts: int = 1) -> None:
    """Fills the result of any output from int32 sums (..., n), or from those of each part of k, (parts, ..., n)."""
    n = sums.shape[-1]
    plain = arguments if output is FLOAT else (None, None)
    scale, bias, activation, residual, last = arguments[:5] if output in (FUSED, BOTH) else (*plain, (), (), False)
    floats, words = result if isinstance(result, tuple) else (None, result) if output is BITS else (result, None)
    threshold, direction = arguments[-2:] if output in (BITS, BOTH) else (None, None)
    first, second = [*activation, None, None][:2]
    given = (floats, words, sums, scale, bias, first, second, *(residual or (None,)), threshold, direction)
    kept = [None if tensor is None else aligned(tensor, tensor.element_size()) for tensor in given]
    rows = sums.numel() // n // parts
    argument = _driver.arguments(
        "<10QQ3I4x", *(0 if tensor is None else tensor.data_ptr() for tensor in kept), rows, n, int(last), parts
    )
    macros = (("OB_OUTPUT", output.code), ("OB_ACTIVATION", len(activation)))
    with torch.cuda.device(sums.device):
        threads = rows * -(-n // 64) * 32
        spread(Kernel("finish", "onebit_finish", macros), sums.device.index, [argument], threads)
