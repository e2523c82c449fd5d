"""onebit::conv2d_* for CUDA tensors: an implicit product over the taps (native/cuda/conv.cuh), images NHWC."""

from __future__ import annotations

import ctypes
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
from onebit.ops.cuda._conv_boxes import Boxes, Places
from onebit.ops.cuda._conv_weights import border, regrouped_words, taps
from onebit.ops.cuda._devices import same_device
from onebit.ops.cuda._finish import DIRECT, channels, finish
from onebit.ops.cuda._plan import BITS, OPERANDS, Device, Plan
from onebit.ops.cuda._sources import Kernel


def conv2d(op: Conv2d, x: Tensor, weights: Tensor, *rest: Any, force: str | None = None) -> Result:
    """Any conv2d operator; force names a kernel (onebit.ops.cuda.conv_kernels) for tests and measurements."""
    result = op.fake(x, weights, *rest)
    same_device(op.op, (x, weights, *rest))
    conv, epilogue = op.sizes(rest)
    out = result[0] if isinstance(result, tuple) else result
    if not out.numel():
        return result
    with torch.cuda.device(x.device):
        device, places = _launch.device_facts(x.device.index), Places(*out.shape[:3])
        plan = conv2d_plan(device, op, conv, places, force)
        if is_direct(op.output, conv) and plan.parts == 1:
            _product(conv, plan, op, x, weights, out, places, epilogue)
        else:
            sums, memory = Conv2d(op.op, op.input, INT32), (plan.parts, *places, conv.n)
            memory_of_sums = out.new_empty(memory, dtype=torch.int32)
            _product(conv, plan, sums, x, weights, memory_of_sums, places, ())
            finish(op.output, memory_of_sums, epilogue, result, plan.parts)
    return result


def conv2d_plan(device: Device, op: Conv2d, conv: Conv, out: Places, force: str | None = None) -> Plan:
    """The plan of a conv2d operator with these output places on this device."""
    operand = OPERANDS[op.input.suffix]
    output = op.output if is_direct(op.output, conv) else INT32
    return _conv_plan.plan(device, conv, operand, output.code, out, _conv_plan.alignment(conv, operand), force)


def is_direct(output: Output, conv: Conv) -> bool:
    """Whether the product's kernel writes this result itself: bits only where a group's channels fill whole words."""
    return output in DIRECT and (output is not BITS_OUT or conv.groups == 1 or conv.n // conv.groups % 64 == 0)


def _product(
    conv: Conv, plan: Plan, op: Conv2d, x: Tensor, weights: Tensor, out: Tensor, places: Places,
    epilogue: Sequence[Any],
) -> None:  # fmt: skip
    operand = OPERANDS[op.input.suffix]
    x = _launch.aligned(grouped(conv, x) if operand == BITS else x)
    tap_bytes = _conv_plan.tap_bytes(conv, operand)
    ready = taps(weights, conv, operand, tap_bytes if plan.boxes is None else plan.boxes.tap_bytes)
    edge = border(weights, ready.signs, conv, operand, plan, (x.shape[1], x.shape[2]), places[1:])
    sums = None if plan.boxes is None else _launch.row_sums(x.view(-1, tap_bytes // 8))
    arrays = channels(epilogue)
    first, second = [array.data_ptr() for array in arrays] or [0, 0]
    both = [first, second, 0, 0] if op.output is FLOAT else [0, 0, first, second]
    pointers = [out.data_ptr(), 0 if sums is None else sums.data_ptr(), 0, *both, x.data_ptr(), ready.rows.data_ptr()]
    argument = _argument(conv, plan, pointers, edge, x, ready.rows.shape[1], tap_bytes, places)
    parameters: list[_driver.Parameter] = [argument]
    if plan.boxes is not None:
        parameters = _boxed(conv, plan, plan.boxes, x, ready.rows, argument, places)
    _launch.start(plan, x.device.index, parameters)


def _argument(
    conv: Conv, plan: Plan, pointers: Sequence[int], edge: Sequence[Tensor], x: Tensor, weight_stride: int,
    tap_bytes: int, places: Places,
) -> ctypes.Array[ctypes.c_char]:  # fmt: skip
    """ConvArgs of conv.cuh: DenseArgs, three addresses, eight unsigned sizes, seven signed ones."""
    n, window = conv.n // conv.groups, conv.window
    k_bytes, tiles_m = window.taps * tap_bytes, -(-places.total // plan.tile[0])
    if plan.boxes is not None:
        k_bytes, tiles_m = window.taps * plan.boxes.tap_bytes, plan.boxes.tiles
    tiles, band = (tiles_m, -(-n // plan.tile[1])), _launch.band_of(plan, x.device.index)
    counts = (places.total, n, conv.k, k_bytes, 0, weight_stride, *tiles, band, conv.n)
    dense = _driver.dense_arguments(pointers, counts, plan.padding, plan.parts)
    pixel_bytes = x.shape[3] * x.element_size()
    return _driver.arguments(
        "<3Q8I7i4x", *(tensor.data_ptr() for tensor in edge), *x.shape[1:3], *places[1:], pixel_bytes, tap_bytes,
        window.kernel[1], conv.groups, *window.stride, window.padding.top, window.padding.left, *window.dilation,
        conv.multiplier, first=bytes(dense),
    )  # fmt: skip


def _boxed(
    conv: Conv, plan: Plan, cut: Boxes, x: Tensor, rows: Tensor, argument: ctypes.Array[ctypes.c_char], places: Places
) -> list[_driver.Parameter]:
    """What conv2d_wgmma.cu is given: maps of x and of the weights, and BoxArgs, which is ConvArgs and ten sizes."""
    images, height, width, words = x.shape
    pixel, step, window = words * 8, conv.window.stride, conv.window
    strides = (pixel, width * pixel, height * width * pixel)
    box = (cut.slice_bytes, *cut.box[::-1])
    row_bytes = window.taps * cut.tap_bytes
    counts = (*cut.box, *places, cut.across, cut.down, cut.pieces, window.kernel[0])
    return [
        _driver.tensor_map(x.data_ptr(), (pixel, width, height, images), strides, box, (1, step[1], step[0], 1)),
        _driver.tensor_map(rows.data_ptr(), (row_bytes, conv.n), (rows.shape[1],), (128, plan.tile[1])),
        _driver.arguments("<10I", *counts, first=bytes(argument)),
    ]


def grouped(conv: Conv, x: Tensor) -> Tensor:
    """The words, every group's from a word of its own: x itself where it is so already."""
    if conv.groups == 1 or conv.c // conv.groups % 64 == 0:
        return x
    x = x.contiguous()
    out = x.new_empty((*x.shape[:3], regrouped_words(conv)))
    sizes = ((c_uint64, x.numel() // x.shape[3]), (c_uint32, conv.c), (c_uint32, conv.groups))
    _launch.simple(Kernel("words", "onebit_regroup"), (x, out), sizes, out.numel())
    return out
