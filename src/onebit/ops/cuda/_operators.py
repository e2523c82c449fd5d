"""The operators onebit::* for CUDA tensors: the schemas and fakes of onebit.ops, other kernels.

Importing needs no GPU: NVRTC, the driver and the device are first touched by the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_uint32, c_uint64
from functools import partial
from typing import Any

import torch
from torch import Tensor

from onebit.bits import words_for
from onebit.ops._conv2d_call import Conv2d
from onebit.ops._dense_call import Dense
from onebit.ops._epilogue import FLOAT, INT32, OUTPUTS, Result
from onebit.ops._family import PIXELS, SIGNED_BYTES, WORDS
from onebit.ops._front_door import open_cuda
from onebit.ops._unpack import _fake as _unpack_fake
from onebit.ops._weights import _pack_weights_fake, _unpack_weights_fake
from onebit.ops.cuda import _launch, _plan
from onebit.ops.cuda._conv2d import conv2d
from onebit.ops.cuda._conv_weights import pack_conv_weights, unpack_conv_weights
from onebit.ops.cuda._devices import same_device
from onebit.ops.cuda._finish import DIRECT, channels, finish
from onebit.ops.cuda._max_pool2d import max_pool2d
from onebit.ops.cuda._pack import pack
from onebit.ops.cuda._sources import Kernel
from onebit.ops.cuda._weights import HEADER, check_header, handle_to_rows, prepared, rows_to_handle


def unpack(words: Tensor, k: int) -> Tensor:
    """onebit::unpack."""
    x, words = _unpack_fake(words, k), words.contiguous()
    if x.numel():
        with torch.cuda.device(x.device):
            sizes = ((c_uint64, x.numel() // k), (c_uint32, k))
            _launch.simple(Kernel("words", "onebit_unpack"), (words, x), sizes, x.numel())
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


def dense_plan(device: _plan.Device, op: Dense, m: int, n: int, k: int, force: str | None = None) -> _plan.Plan:
    """The plan of a dense operator for these sizes on this device."""
    operand = _plan.OPERANDS[op.input.suffix]
    row_bytes = words_for(k) * 8 if operand == _plan.BITS else k
    return _plan.dense(device, operand, op.output.code, m, n, k, _plan.row_alignment(row_bytes), force)


def dense(op: Dense, x: Tensor, weights: Tensor, n: int, k: int, *arguments: Any, force: str | None = None) -> Result:
    """Any dense operator; force names a kernel (onebit.ops.cuda.kernels) for tests and measurements."""
    result = op.fake(x, weights, n, k, *arguments)
    same_device(op.op, (x, weights, n, k, *arguments))
    out = result[0] if isinstance(result, tuple) else result
    if not out.numel():
        return result
    m, sums = x.numel() // x.shape[-1], Dense(op.op, op.input, INT32)
    with torch.cuda.device(x.device):
        device, direct = _launch.device_facts(x.device.index), op.output in DIRECT
        plan = dense_plan(device, op if direct else sums, m, n, k, force)
        if direct and plan.parts == 1:
            _product(op, plan, x, weights, n, k, out, channels(arguments))
        else:
            memory = out.new_empty((plan.parts, m, n), dtype=torch.int32)
            _product(sums, plan, x, weights, n, k, memory, ())
            finish(op.output, memory, arguments, result, plan.parts)
    return result


def _product(
    op: Dense, plan: _plan.Plan, x: Tensor, weights: Tensor, n: int, k: int, out: Tensor, arrays: tuple[Tensor, ...]
) -> None:
    m, operand = x.numel() // x.shape[-1], _plan.OPERANDS[op.input.suffix]
    rows = _launch.aligned(x).view(m, -1)
    ready = prepared(weights, n, k, operand)
    sums = _launch.row_sums(rows) if plan.row_sums else None
    _launch.dense(plan, operand, out, rows, ready.rows, (m, n, k), (sums, ready.sums), arrays, op.output is FLOAT)


_PAIRS = [(given, kind, output) for given in (WORDS, PIXELS, SIGNED_BYTES) for kind, output in OUTPUTS.items()]
DENSE = [Dense(f"dense{given.suffix}_{kind}", given, output) for given, kind, output in _PAIRS]
CONV2D = [Conv2d(f"conv2d{given.suffix}_{kind}", given, output) for given, kind, output in _PAIRS]
OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: partial(pack, name) for name in ("pack", "pack_nchw", "pack_threshold", "pack_nchw_threshold")},
    "unpack": unpack,
    "pack_weights": pack_weights,
    "unpack_weights": unpack_weights,
    "pack_conv_weights": pack_conv_weights,
    "unpack_conv_weights": unpack_conv_weights,
    "max_pool2d": max_pool2d,
    **{op.op: partial(dense, op) for op in DENSE},
    **{op.op: partial(conv2d, op) for op in CONV2D},
}
open_cuda()
