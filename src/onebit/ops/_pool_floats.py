"""onebit::pool_floats: the largest float of each window of 2 x 2, and where it stood. For training, by ctypes."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from onebit._errors import ShapeError
from onebit.ops._checks import check_dtype
from onebit.ops._fallback import follow_torch_threads, operand
from onebit.ops._library import PoolFloatsCall, check, lib


@torch.library.custom_op("onebit::pool_floats", mutates_args=(), device_types="cpu")
def pool_floats(x: Tensor) -> tuple[Tensor, Tensor]:
    """y = max of x over windows of 2 x 2, and its place 2 * row + column, the first one that has it.

    x: (N, H, W, c) float32 without NaN, H and W at least 2; a last odd row or column is left out.
    Returns float32 and uint8 (N, H // 2, W // 2, c). Raises DtypeError, ShapeError.
    """
    check_dtype("pool_floats", "x", x, torch.float32)
    if x.dim() != 4 or min(x.shape[1:3]) < 2:
        raise ShapeError(f"pool_floats: x has shape {tuple(x.shape)}; expected (N, H, W, c), H and W at least 2.")
    x = operand(x, 4)
    y, which = _empty(x)
    batch, height, width, c = x.shape
    call = PoolFloatsCall(
        batch=batch, height=height, width=width, c=c, x=x.data_ptr(), out=y.data_ptr(), which=which.data_ptr()
    )
    follow_torch_threads()
    check(lib.ob_pool_floats(ctypes.byref(call)), "pool_floats")
    return y, which


def _empty(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.new_empty((x.shape[0], x.shape[1] // 2, x.shape[2] // 2, x.shape[3]))
    return y, torch.empty_like(y, dtype=torch.uint8)


pool_floats.register_fake(_empty)
