"""What the conv2d families share: inputs (words or pixels), schemas, fakes and Python kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from onebit.bits import words_for
from onebit.bits._window import Window
from onebit.ops._conv_checks import Conv, check_conv_weights, check_image
from onebit.ops._epilogue import Output, Result
from onebit.ops._fallback import follow_torch_threads, operand, scratch
from onebit.ops._front_door import define, run
from onebit.ops._library import ConvCall, Pair, Sides, check, lib

_SIZES = "int n, int c, int[] kernel, int[] stride, int[] padding, int[] dilation, int groups, int pad_value"


@dataclass(frozen=True)
class Input:
    """What x holds, how many integers follow pad_value in the schema, and the C function for it."""

    dtype: torch.dtype
    columns: Callable[[int], int]  # size of x's last dimension for c
    meaning: str
    hint: str
    function: str
    extra: tuple[str, ...] = ()


WORDS = Input(
    dtype=torch.int64,
    columns=words_for,
    meaning="ceil(c / 64) words for c",
    hint="Pack signs with onebit.ops.pack, or give uint8 pixels to conv2d_u8_*.",
    function="ob_conv2d",
)
PIXELS = Input(
    dtype=torch.uint8,
    columns=lambda c: c,
    meaning="c values",
    hint="Pass the raw 0..255 values, without normalisation.",
    function="ob_conv2d_u8",
    extra=("multiplier", "offset"),
)
SIGNED_BYTES = Input(
    dtype=torch.int8,
    columns=lambda c: c,
    meaning="c values",
    hint="Values from 0 to 255 go into conv2d_u8_*.",
    function="ob_conv2d_s8",
    extra=("multiplier", "offset"),
)


@dataclass(frozen=True)
class Conv2d:
    """One conv2d operator: its schema, its check, its fake, its Python kernel and its checked call.

    Every method takes the operator's arguments: x, weights, and the `rest` in the order of the schema.
    """

    op: str
    input: Input
    output: Output

    def define(self) -> None:
        """Defines torch.ops.onebit.<op>."""
        extra = "".join(f", int {name}" for name in self.input.extra)
        arguments = f"Tensor x, Tensor weights, {_SIZES}{extra}{self.output.schema}"
        define(f"{self.op}({arguments}) -> {self.output.results}", self.fake, self.python)

    def checked(self, x: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        """The public call: torch's operator, with good messages when it refuses."""
        return run(self.op, self.fake, x, weights, *rest)

    def checked_both(self, x: Tensor, weights: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        """The same for an operator with two results."""
        return cast("tuple[Tensor, Tensor]", run(self.op, self.fake, x, weights, *rest))

    def sizes(self, rest: Sequence[Any]) -> tuple[Conv, list[Any]]:
        """The arguments after the weights: the sizes and the arguments of the epilogue."""
        n, c, kernel, stride, padding, dilation, *more = rest
        integers, epilogue = more[: 2 + len(self.input.extra)], more[2 + len(self.input.extra) :]
        conv = Conv(n, c, Window.of(self.op, kernel, stride, padding, dilation), *integers)
        conv.check(self.op, None if self.input.dtype == torch.int64 else self.input.dtype)
        return conv, epilogue

    def fake(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """Empty results of the right shape and dtype, after everything that shapes, dtypes and integers can tell."""
        conv, epilogue = self.sizes(rest)
        check_conv_weights(self.op, weights, conv.n, conv.c, conv.groups, conv.window.kernel)
        last, meaning = self.input.columns(conv.c), f"{self.input.meaning}={conv.c}"
        check_image(self.op, x, self.input.dtype, last, meaning, self.input.hint)
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
        workspace = getattr(lib, f"{self.input.function}_workspace")
        call.workspace_bytes = workspace(ctypes.byref(call), follow_torch_threads())
        memory, call.workspace = scratch(call.workspace_bytes)
        check(getattr(lib, self.input.function)(ctypes.byref(call)), f"onebit::{self.op}")
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
