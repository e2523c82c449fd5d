"""Which kernel would run for a shape, and what the library's cost model (native/src/cost.h) expects of each."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch

from onebit._errors import OptionError
from onebit.bits._window import Window
from onebit.ops._conv_checks import check_channels
from onebit.ops._kernels import check_op
from onebit.ops._library import OK, ConvCall, Estimate, Pair, Shape, Sides, check, lib


class Choice(NamedTuple):
    """isa: instruction set of the kernel that would run now.

    nanoseconds: what the model expects of a call, for every kernel this CPU can run; infinite where a kernel cannot
    compute the shape; empty for operators whose kernels are chosen by the table's order alone.
    """

    isa: str
    nanoseconds: dict[str, float]


def choice(op: str, m: int, n: int, k: int, *, threads: int | None = None) -> Choice:
    """The kernel that a product of m rows and n output channels, each the sum of k terms, would run now.

    op: of the dispatch table. threads: as many as a call would use unless given.
    Raises UnknownName for no such operator and OptionError for a size below 1.
    """
    check_op(op)
    for name, size in (("m", m), ("n", n), ("k", k)):
        if size < 1:
            raise OptionError(f"choice({op!r}): {name} is {size}; expected at least 1.")
    return _choice(op, Shape(m, n, k, (k + 63) // 64, 1), threads)


def conv2d_choice(
    size: tuple[int, int], c: int, n: int, kernel: Sequence[int], *, batch: int = 1, stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0), dilation: Sequence[int] = (1, 1), groups: int = 1,
    threads: int | None = None,
) -> Choice:  # fmt: skip
    """The kernel that a convolution of bits would run now, for `batch` pictures of size (height, width, c).

    The rest is as in onebit.ops.conv2d_int32. Raises OptionError for sizes that no convolution has.
    """
    check_channels("conv2d_choice", n, c, groups)
    window = Window.of("conv2d_choice", kernel, stride, padding, dilation)
    window.output("conv2d_choice", *size)
    call = ConvCall(
        batch=batch, height=size[0], width=size[1], c=c, n=n, kernel=Pair(*window.kernel), stride=Pair(*window.stride),
        padding=Sides(*window.padding), dilation=Pair(*window.dilation), groups=groups,
    )  # fmt: skip
    shape = Shape()
    check(lib.ob_conv2d_shape(ctypes.byref(call), ctypes.byref(shape)), "conv2d_choice")
    return _choice("conv2d", shape, threads)


def _choice(op: str, shape: Shape, threads: int | None) -> Choice:
    threads = torch.get_num_threads() if threads is None else threads
    estimate, isa = Estimate(), ""
    nanoseconds: dict[str, float] = {}
    arguments = (op.encode(), ctypes.byref(shape), threads)
    while (status := lib.ob_estimate_kernel(*arguments, len(nanoseconds), ctypes.byref(estimate))) == OK:
        nanoseconds[estimate.isa.decode()] = estimate.ns
        isa = estimate.isa.decode() if estimate.chosen else isa
    if not nanoseconds:
        check(status, f"choice({op!r}, threads={threads})")
    return Choice(isa, {name: ns for name, ns in nanoseconds.items() if ns >= 0})
