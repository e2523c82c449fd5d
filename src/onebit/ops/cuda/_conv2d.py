"""onebit::conv2d_* for CUDA tensors: an implicit product over the taps (native/cuda/conv.cuh), images NHWC."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_uint32, c_uint64
from typing import Any

import torch
from torch import Tensor

from onebit.ops._conv2d_call import Conv2d
from onebit.ops._conv_checks import Conv
from onebit.ops._epilogue import BITS as BITS_OUT
from onebit.ops._epilogue import FLOAT, INT32, Output, Result
from onebit.ops.cuda import _conv_plan, _driver, _launch
from onebit.ops.cuda._conv_weights import border, regrouped_words, taps
from onebit.ops.cuda._devices import same_device
from onebit.ops.cuda._finish import DIRECT, channels, finish
from onebit.ops.cuda._plan import BITS, OPERANDS, Plan, row_alignment
from onebit.ops.cuda._sources import Kernel


def conv2d(op: Conv2d, x: Tensor, weights: Tensor, *rest: Any, force: str | None = None) -> Result:
    """Any conv2d operator; force names a kernel (onebit.ops.cuda.conv_kernels) for tests and measurements."""
    result = op.fake(x, weights, *rest)
    same_device(op.op, (x, weights, *rest))
    conv, epilogue = op.sizes(rest)
    out = result[0] if isinstance(result, tuple) else result
    if not out.numel():
        return result
    operand = OPERANDS[op.input.suffix]
    with torch.cuda.device(x.device):
        if is_direct(op.output, conv):
            _product(conv, operand, op.output, x, weights, out, epilogue, force)
        else:
            sums = out.new_empty((*out.shape[:3], conv.n), dtype=torch.int32)
            _product(conv, operand, INT32, x, weights, sums, (), force)
            finish(op.output, sums, epilogue, result)
    return result


def is_direct(output: Output, conv: Conv) -> bool:
    """Whether the product's kernel writes this result itself: bits only where a group's channels fill whole words."""
    return output in DIRECT and (output is not BITS_OUT or conv.groups == 1 or conv.n // conv.groups % 64 == 0)


def _product(
    conv: Conv, operand: int, output: Output, x: Tensor, weights: Tensor, out: Tensor, epilogue: Sequence[Any],
    force: str | None,
) -> None:  # fmt: skip
    image, places = (x.shape[1], x.shape[2]), (out.shape[1], out.shape[2])
    x = _launch.aligned(grouped(conv, x) if operand == BITS else x)
    pixel_bytes, tap_bytes = x.shape[3] * x.element_size(), _conv_plan.tap_bytes(conv, operand)
    align, m = min(row_alignment(tap_bytes), row_alignment(pixel_bytes)), out.shape[0] * places[0] * places[1]
    plan = _conv_plan.plan(_launch.device_facts(x.device.index), conv, operand, output.code, m, align, force)
    arrays = channels(epilogue)
    rows, edge = taps(weights, conv, operand).rows, border(weights, conv, operand, plan, image, places)
    argument = _argument(conv, plan, out, x, rows, arrays, output is FLOAT, tap_bytes, edge, (image, places))
    _launch.start(plan, x.device.index, [argument])


def _argument(
    conv: Conv, plan: Plan, out: Tensor, x: Tensor, rows: Tensor, arrays: Sequence[Tensor], is_float: bool,
    tap_bytes: int, edge: Sequence[Tensor], sizes: tuple[tuple[int, int], tuple[int, int]],
) -> _driver.Parameter:  # fmt: skip
    """ConvArgs of conv.cuh: DenseArgs, three addresses, eight unsigned sizes, seven signed ones."""
    n, window = conv.n // conv.groups, conv.window
    m = out.shape[0] * out.shape[1] * out.shape[2]
    first, second = [array.data_ptr() for array in arrays] or [0, 0]
    both = [first, second, 0, 0] if is_float else [0, 0, first, second]
    pointers = [out.data_ptr(), 0, 0, *both, x.data_ptr(), rows.data_ptr()]
    tiles, band = (-(-m // plan.tile[0]), -(-n // plan.tile[1])), _launch.band_of(plan, x.device.index)
    counts = (m, n, conv.k, window.taps * tap_bytes, 0, rows.shape[1], *tiles, band, conv.n)
    dense = _driver.dense_arguments(pointers, counts, plan.padding)
    pixel_bytes = x.shape[3] * x.element_size()
    return _driver.arguments(
        "<3Q8I7i4x", *(tensor.data_ptr() for tensor in edge), *sizes[0], *sizes[1], pixel_bytes, tap_bytes,
        window.kernel[1], conv.groups, *window.stride, window.padding.top, window.padding.left, *window.dilation,
        conv.multiplier, first=bytes(dense),
    )  # fmt: skip


def grouped(conv: Conv, x: Tensor) -> Tensor:
    """The words, every group's from a word of its own: x itself where it is so already."""
    if conv.groups == 1 or conv.c // conv.groups % 64 == 0:
        return x
    x = x.contiguous()
    out = x.new_empty((*x.shape[:3], regrouped_words(conv)))
    sizes = ((c_uint64, x.numel() // x.shape[3]), (c_uint32, conv.c), (c_uint32, conv.groups))
    _launch.simple(Kernel("pack", "onebit_regroup", (("OB_INPUT", 1),)), (x, out), sizes, out.numel())
    return out
