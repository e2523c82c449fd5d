"""onebit::pack and its forms for CUDA tensors: x is read in the dtype and the order in which it lies in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit.ops._pack import TYPES, _as_it_lies, _axis, _fake
from onebit.ops.cuda import _driver, _launch
from onebit.ops.cuda._devices import same_device
from onebit.ops.cuda._sources import Kernel


def pack(op: str, x: Tensor, threshold: Tensor | None = None, direction: Tensor | None = None) -> Tensor:
    """onebit::pack, pack_nchw and the forms with thresholds, by name."""
    words = _fake(op, x, threshold, direction)
    channels = () if threshold is None or direction is None else (threshold, direction)
    same_device(op, (x, *channels))
    if not words.numel():
        return words
    x, first = _as_it_lies(x, _axis(op))
    c = x.shape[1 if first else -1]
    outer, inner = (x.shape[0], x[0, 0].numel()) if first else (x.numel() // c, 1)
    function = "onebit_pack" if inner == 1 else "onebit_pack_first"
    kernel = Kernel("pack", function, (("OB_DTYPE", TYPES[x.dtype]), ("OB_THRESHOLD", int(bool(channels)))))
    kept = [_launch.aligned(tensor, tensor.element_size()) for tensor in channels]
    addresses = (x.data_ptr(), words.data_ptr(), *([tensor.data_ptr() for tensor in kept] or (0, 0)))
    argument = _driver.arguments("<4Q2QI4x", *addresses, outer, inner, c)
    with torch.cuda.device(x.device):
        threads = words.numel() * (8 if inner == 1 else 1)  # a warp makes 4 words where channels come last
        _launch.spread(kernel, x.device.index, [argument], threads)
    return words
