"""The operators onebit::* for CUDA tensors: the schemas and fakes of onebit.ops, other kernels.

Registering costs nothing and needs no GPU: NVRTC, the driver and the device are first touched by the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_uint32, c_uint64
from typing import cast

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.bits import words_for
from onebit.ops._checks import check_dtype
from onebit.ops._dense_call import PIXELS, WORDS, Dense, Input
from onebit.ops._epilogue import BITS as BITS_OUT
from onebit.ops._epilogue import FLOAT, INT32, Output
from onebit.ops._pack import _fake as _pack_fake
from onebit.ops._unpack import _fake as _unpack_fake
from onebit.ops._weights import _pack_weights_fake, _unpack_weights_fake
from onebit.ops.cuda import _launch, _plan
from onebit.ops.cuda._sources import Kernel
from onebit.ops.cuda._weights import HEADER, check_header, handle_to_rows, prepared, rows_to_handle

# Lives as long as the process: its end would remove the kernels.
_LIBRARY = torch.library.Library("onebit", "IMPL")  # type: ignore[no-untyped-call]
_MOVED = (("OB_INPUT", 1),)


def pack(x: Tensor) -> Tensor:
    """onebit::pack."""
    check_dtype("pack", "x", x, torch.float32, "Its CUDA kernel takes no other: call x.float().")
    words, x = _pack_fake("pack", x), x.contiguous()
    if words.numel():
        rows, k = x.numel() // x.shape[-1], x.shape[-1]
        with torch.cuda.device(x.device):
            sizes = ((c_uint64, rows), (c_uint32, k))
            _launch.simple(Kernel("pack", "onebit_pack", _MOVED), (x, words), sizes, words.numel() * 8)
    return words


def unpack(words: Tensor, k: int) -> Tensor:
    """onebit::unpack."""
    x, words = _unpack_fake(words, k), words.contiguous()
    if x.numel():
        with torch.cuda.device(x.device):
            sizes = ((c_uint64, x.numel() // k), (c_uint32, k))
            _launch.simple(Kernel("pack", "onebit_unpack", _MOVED), (words, x), sizes, x.numel())
    return x


def pack_weights(rows: Tensor, k: int) -> Tensor:
    """onebit::pack_weights; the sizes are checked by the fake."""
    _pack_weights_fake(rows, k)
    return rows_to_handle(rows, k)


def unpack_weights(weights: Tensor, n: int, k: int) -> Tensor:
    """onebit::unpack_weights."""
    _unpack_weights_fake(weights, n, k)
    check_header(weights[:HEADER].cpu(), n, k)
    return handle_to_rows(weights, n, k)


def row_alignment(row_bytes: int) -> int:
    """The largest of 16, 8, 4, 1 that every row's start is a multiple of."""
    return next(size for size in (16, 8, 4, 1) if row_bytes % size == 0)


def dense_plan(device: _plan.Device, op: Dense, m: int, n: int, k: int, force: str | None = None) -> _plan.Plan:
    """The plan of a dense operator for these sizes on this device."""
    operand = _plan.BITS if op.input is WORDS else _plan.BYTES
    row_bytes = words_for(k) * 8 if operand == _plan.BITS else k
    return _plan.dense(device, operand, op.output.code, m, n, k, row_alignment(row_bytes), force)


def dense(op: Dense, x: Tensor, weights: Tensor, n: int, k: int, *channels: Tensor, force: str | None = None) -> Tensor:
    """Any dense operator; force names a kernel (onebit.ops.cuda.kernels) for tests and measurements."""
    out = cast("Tensor", op.fake(x, weights, n, k, *channels))  # int32, float and bits give one tensor
    for name, tensor in zip(("weights", *(name for name, _ in op.output.channels)), (weights, *channels), strict=True):
        if tensor.device != x.device:
            raise OptionError(
                f"{op.op}: {name} is on {tensor.device} and x on {x.device}; move one: {name}.to(x.device)."
            )
    m = out.numel() // op.output.columns(n)
    if not out.numel():
        return out
    operand = _plan.BITS if op.input is WORDS else _plan.BYTES
    with torch.cuda.device(x.device):
        plan = dense_plan(_launch.device_facts(x.device.index), op, m, n, k, force)
        rows = _launch.aligned(x).view(m, -1)
        ready = prepared(weights, n, k, operand)
        sums = _launch.row_sums(rows) if plan.row_sums else None
        channels = tuple(_launch.aligned(channel, channel.element_size()) for channel in channels)
        is_float = op.output is FLOAT
        _launch.dense(plan, operand, out, rows, ready.rows, (m, n, k), (sums, ready.sums), channels, is_float)
    return out


def _kernel(op: Dense) -> Callable[..., Tensor]:
    def run(x: Tensor, weights: Tensor, n: int, k: int, *channels: Tensor) -> Tensor:
        return dense(op, x, weights, n, k, *channels)

    return run


def _families() -> list[Dense]:
    inputs: tuple[tuple[str, Input], ...] = (("dense", WORDS), ("dense_u8", PIXELS))
    outputs: tuple[tuple[str, Output], ...] = (("int32", INT32), ("float", FLOAT), ("bits", BITS_OUT))
    return [Dense(f"{family}_{kind}", given, result) for family, given in inputs for kind, result in outputs]


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "pack": pack,
    "unpack": unpack,
    "pack_weights": pack_weights,
    "unpack_weights": unpack_weights,
    **{op.op: _kernel(op) for op in _families()},
}
for _name, _function in OPERATORS.items():
    _LIBRARY.impl(_name, _function, "CUDA")  # type: ignore[no-untyped-call]
