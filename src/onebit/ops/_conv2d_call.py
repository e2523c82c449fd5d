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
from onebit.ops._fallback import follow_torch_threads, operand, scratch
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

    def fake(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """Empty results of the right shape and dtype, after everything that shapes, dtypes and integers can tell."""
        conv, epilogue = self.sizes(rest)
        check_conv_weights(self.op, weights, conv.n, conv.c, conv.groups, conv.window.kernel)
        last, meaning = self.input.columns(conv.c), f"{self.input.meaning.format(size='c')}={conv.c}"
        check_image(self.op, x, self.input.dtype, last, meaning, self.hint)
        lead = (x.shape[0], *conv.window.output(self.op, x.shape[1], x.shape[2]))
        return self.output.fake(self.op, x, lead, conv.n, epilogue)

    def python(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """The operator through ctypes."""
        result = self.fake(x, weights, *rest)
        out = result[0] if isinstance(result, tuple) else result
        if not out.numel():
            return result
        conv, arguments = self.sizes(rest)
        x, weights = operand(x, x.element_size()), operand(weights, 64)
        epilogue, kept = self.output.to_c(self.op, arguments, result)
        call = _call(conv, x, weights)
        call.epilogue, call.out = ctypes.pointer(epilogue), out.data_ptr()
        workspace = getattr(lib, f"{self.function}_workspace")
        call.workspace_bytes = workspace(ctypes.byref(call), follow_torch_threads())
        memory, call.workspace = scratch(call.workspace_bytes)
        check(getattr(lib, self.function)(ctypes.byref(call)), f"onebit::{self.op}")
        del memory, kept  # they must outlive the call
        return result


def _call(conv: Conv, x: Tensor, weights: Tensor) -> ConvCall:
    batch, height, width, _ = x.shape
    window = conv.window
    return ConvCall(
        batch=batch, height=height, width=width, c=conv.c, n=conv.n, kernel=Pair(*window.kernel),
        stride=Pair(*window.stride), padding=Sides(*window.padding), dilation=Pair(*window.dilation),
        groups=conv.groups, pad_value=conv.pad_value, multiplier=conv.multiplier, offset=conv.offset,
        x=x.data_ptr(), weights=weights.data_ptr(), weights_bytes=weights.numel(),
    )  # fmt: skip
