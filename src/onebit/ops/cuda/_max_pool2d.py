"""onebit::max_pool2d for CUDA tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onebit.ops._max_pool2d import _fake
from onebit.ops.cuda import _driver, _launch
from onebit.ops.cuda._devices import same_device
from onebit.ops.cuda._sources import Kernel


def max_pool2d(
    x: Tensor, c: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], minimum: Tensor
) -> Tensor:
    """onebit::max_pool2d: a thread for each word of the result."""
    out = _fake(x, c, kernel, stride, padding, minimum)
    same_device("max_pool2d", (x, c, kernel, stride, padding, minimum))
    if not out.numel():
        return out
    x, minimum = _launch.aligned(x, 8), _launch.aligned(minimum, 8)
    argument = _driver.arguments(
        "<4Q7I4i4x", out.data_ptr(), x.data_ptr(), minimum.data_ptr(), out.numel(), *x.shape[1:3], *out.shape[1:],
        *kernel, *stride, padding[0], padding[2],
    )  # fmt: skip
    with torch.cuda.device(x.device):
        _launch.spread(Kernel("max_pool2d", "onebit_max_pool2d"), x.device.index, [argument], out.numel())
    return out
