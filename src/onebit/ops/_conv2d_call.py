"""What the conv2d families share: inputs (words or pixels), outputs, fakes and Python kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onebit.bits import words_for
from onebit.bits._window import Window
from onebit.ops._checks import check_vector
from onebit.ops._conv_checks import Conv, check_conv_weights, check_image
from onebit.ops._dense_call import Output
from onebit.ops._fallback import follow_torch_threads, operand, scratch
from onebit.ops._front_door import define, run
from onebit.ops._library import ConvCall, Epilogue, Pair, Sides, check, lib

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
        channels = "".join(f", Tensor {name}" for name, _ in self.output.channels)
        define(f"{self.op}(Tensor x, Tensor weights, {_SIZES}{extra}{channels}) -> Tensor", self.fake, self.python)

    def checked(self, x: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        """The public call: torch's operator, with good messages when it refuses."""
        return run(self.op, self.check, x, weights, *rest)

    def sizes(self, rest: Sequence[Any]) -> tuple[Conv, tuple[Tensor, ...]]:
        """The arguments after the weights: the sizes and the tensors of one value per channel."""
        n, c, kernel, stride, padding, dilation, *more = rest
        integers, channels = more[: 2 + len(self.input.extra)], more[2 + len(self.input.extra) :]
        conv = Conv(n, c, Window.of(self.op, kernel, stride, padding, dilation), *integers)
        conv.check(self.op, pixels=bool(self.input.extra))
        return conv, tuple(channels)

    def check(self, x: Tensor, weights: Tensor, *rest: Any) -> None:
        """Everything that shapes, dtypes and integers can tell."""
        self.fake(x, weights, *rest)

    def fake(self, x: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        """An empty result of the right shape and dtype."""
        conv, channels = self.sizes(rest)
        check_conv_weights(self.op, weights, conv.n, conv.c, conv.groups, conv.window.kernel)
        last, meaning = self.input.columns(conv.c), f"{self.input.meaning}={conv.c}"
        check_image(self.op, x, self.input.dtype, last, meaning, self.input.hint)
        for (name, dtype), channel in zip(self.output.channels, channels, strict=True):
            check_vector(self.op, name, channel, conv.n, dtype)
        rows, columns = conv.window.output(self.op, x.shape[1], x.shape[2])
        return x.new_empty((x.shape[0], rows, columns, self.output.columns(conv.n)), dtype=self.output.dtype)

    def python(self, x: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        """The operator through ctypes."""
        out = self.fake(x, weights, *rest)
        if not out.numel():
            return out
        conv, channels = self.sizes(rest)
        x, weights = operand(x, x.element_size()), operand(weights, 64)
        channels = tuple(operand(channel, channel.element_size()) for channel in channels)
        named = {name: channel.data_ptr() for (name, _), channel in zip(self.output.channels, channels, strict=True)}
        epilogue = Epilogue(output=self.output.code, **named)
        call = _call(conv, x, weights)
        call.epilogue, call.out = ctypes.pointer(epilogue), out.data_ptr()
        workspace = getattr(lib, f"{self.input.function}_workspace")
        call.workspace_bytes = workspace(ctypes.byref(call), follow_torch_threads())
        memory, call.workspace = scratch(call.workspace_bytes)
        check(getattr(lib, self.input.function)(ctypes.byref(call)), f"onebit::{self.op}")
        del memory  # the scratch must outlive the call
        return out


def _call(conv: Conv, x: Tensor, weights: Tensor) -> ConvCall:
    batch, height, width, _ = x.shape
    window = conv.window
    return ConvCall(
        batch=batch, height=height, width=width, c=conv.c, n=conv.n, kernel=Pair(*window.kernel),
        stride=Pair(*window.stride), padding=Sides(*window.padding), dilation=Pair(*window.dilation),
        groups=conv.groups, pad_value=conv.pad_value, multiplier=conv.multiplier, offset=conv.offset,
        x=x.data_ptr(), weights=weights.data_ptr(), weights_bytes=weights.numel(),
    )  # fmt: skip
