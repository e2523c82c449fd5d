"""The conv2d operators: their schema, their check with their fake, and their Python kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from onebit.bits._window import Window
from onebit.ops._conv_checks import Conv, check_conv_weights, check_image
from onebit.ops._epilogue import Result
from onebit.ops._fallback import empty, follow_torch_threads, operand, scratch
from onebit.ops._family import WORDS, Operator
from onebit.ops._library import ConvCall, Pair, Sides, check, lib

_SIZES = "int n, int c, int[] kernel, int[] stride, int[] padding, int[] dilation, int groups, int pad_value"


@dataclass(frozen=True)
class Conv2d(Operator):
    """One conv2d operator. Its methods take x, weights, and the `rest` in the order of the schema."""

    sum = "conv2d"

    @property
    def extra(self) -> tuple[str, ...]:
        """The integers behind pad_value: bytes are moved before they are summed."""
        return () if self.input is WORDS else ("multiplier", "offset")

    @property
    def integers(self) -> str:
        """The sizes as torch writes them."""
        return _SIZES + "".join(f", int {name}" for name in self.extra)

    def sizes(self, rest: Sequence[Any]) -> tuple[Conv, list[Any]]:
        """The arguments after the weights: the sizes and the arguments of the epilogue."""
        n, c, kernel, stride, padding, dilation, *more = rest
        integers, epilogue = more[: 2 + len(self.extra)], more[2 + len(self.extra) :]
        conv = Conv(n, c, Window.of(self.op, kernel, stride, padding, dilation), *integers)
        conv.check(self.op, None if self.input is WORDS else self.input.dtype)
        return conv, epilogue

    def check(self, x: Tensor, weights: Tensor, *rest: Any) -> tuple[int, ...]:
        """Everything that shapes, dtypes and integers can tell; the sizes of the result before its last one."""
        conv, epilogue = self.sizes(rest)
        check_conv_weights(self.op, weights, conv.n, conv.c, conv.groups, conv.window.kernel)
        last, meaning = self.input.columns(conv.c), f"{self.input.meaning.format(size='c')}={conv.c}"
        check_image(self.op, x, self.input.dtype, last, meaning, self.hint)
        lead = (x.shape[0], *conv.window.output(self.op, x.shape[1], x.shape[2]))
        self.output.check(self.op, lead, conv.n, epilogue)
        return lead

    def python(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """The operator through ctypes."""
        lead, (conv, arguments) = self.check(x, weights, *rest), self.sizes(rest)
        call = _call(conv, x)
        run, workspace = getattr(lib, self.function), getattr(lib, f"{self.function}_workspace")
        call.workspace_bytes = workspace(ctypes.byref(call), follow_torch_threads())
        if not call.workspace_bytes:  # refused, and by the sizes alone: before the result takes memory
            check(run(ctypes.byref(call)), f"onebit::{self.op}")
        result = self.output.empty(empty, lead, conv.n)
        out = result[0] if isinstance(result, tuple) else result
        if not out.numel():
            return result
        x, weights = operand(x, x.element_size()), operand(weights, 64)
        call.x, call.weights, call.weights_bytes = x.data_ptr(), weights.data_ptr(), weights.numel()
        epilogue, kept = self.output.to_c(self.op, arguments, result)
        call.epilogue, call.out = ctypes.pointer(epilogue), out.data_ptr()
        memory, call.workspace = scratch(call.workspace_bytes)
        check(run(ctypes.byref(call)), f"onebit::{self.op}")
        del memory, kept  # they must outlive the call
        return result


def _call(conv: Conv, x: Tensor) -> ConvCall:
    """The sizes, without an address."""
    batch, height, width, _ = x.shape
    window = conv.window
    return ConvCall(
        batch=batch, height=height, width=width, c=conv.c, n=conv.n, kernel=Pair(*window.kernel),
        stride=Pair(*window.stride), padding=Sides(*window.padding), dilation=Pair(*window.dilation),
        groups=conv.groups, pad_value=conv.pad_value, multiplier=conv.multiplier, offset=conv.offset,
    )  # fmt: skip
