"""onebit::sign_gradients: both gradients of a product of signs, by sums of whole numbers.

The one operator for training. It is called a few times in a step that takes milliseconds, so ctypes is its front door.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.bits import words_for
from onebit.bits._window import Window
from onebit.ops._checks import check_dtype
from onebit.ops._fallback import follow_torch_threads, operand, scratch
from onebit.ops._library import GradientsCall, Pair, Sides, check, lib

NEAREST = -1


@torch.library.custom_op("onebit::sign_gradients", mutates_args=(), device_types="cpu")
def sign_gradients(
    upstream: Tensor,
    x: Tensor,
    w: Tensor,
    x_words: Tensor,
    w_words: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    pad_value: int,
    windows: Sequence[bool],
    wanted: Sequence[bool],
    seed: int,
    which: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The gradients of y = conv2d(pad(sign(x)), sign(w)), the upstream gradient rounded to whole numbers of steps.

    For x a step is max|g| / 127 of the picture, for w of the channel n: all terms of a sum have one step. Then
    gradient = step * sum(q * sign), the sum exact in int32 and rounded once to float32; q = rint(g * (127 / max)).

    upstream: (N, H', W', n) float32; x: (N, H, W, c), w: (n, kh, kw, c) float32, and packed in x_words, w_words.
    stride, dilation: [rows, columns]; padding: [top, bottom, left, right], of pad_value -1, 0 or +1.
    windows: for x and w, whether the gradient is 0 where |value| <= 1 does not hold; else the values are not read.
    wanted: for x and w, whether the gradient is computed; the other has no elements.
    seed: -1 rounds to the nearest; 0 to 2^32 - 1 at random, up with the probability of the fraction, so that the mean
        over seeds is g: q = min(floor(g * (127 / max) + u), 127), u in [0, 1) a hash of seed and place.
    which: as `pool_floats` returns it: upstream, of its shape, is the gradient behind a max pool of 2 x 2, and each
        value stands at that place of its window, whose other places are 0.
    A gradient that reaches an infinite or NaN maximum is infinite or NaN. Returns the gradients of x and w. Raises
    DtypeError, ShapeError, OptionError, and NativeError for kh * kw * n or N * H' * W' above 2^23.
    """
    window = Window.of("sign_gradients", w.shape[1:3], stride, padding, dilation)
    _check(upstream, x, w, x_words, w_words, which, window)
    if not NEAREST <= seed < 2**32:
        raise OptionError(f"sign_gradients: seed is {seed}; expected -1 (nearest) or 0 to 2**32 - 1.")
    upstream, x, w = (operand(values, 4) for values in (upstream, x, w))
    x_words, w_words = operand(x_words, 8), operand(w_words, 8)
    which = None if which is None else operand(which, 1)
    pairs = list(zip((x, w), windows, wanted, strict=True))
    gradients = [values.new_empty(values.shape if want else 0) for values, _, want in pairs]
    pointers = [gradient.data_ptr() if want else None for gradient, want in zip(gradients, wanted, strict=True)]
    values_in = [values.data_ptr() if window else None for values, window, _ in pairs]
    (batch, height, width, c), (n, rows, columns, _) = x.shape, w.shape
    call = GradientsCall(
        batch=batch, height=height, width=width, c=c, n=n, kernel=Pair(rows, columns), stride=Pair(*stride),
        padding=Sides(*padding), dilation=Pair(*dilation), pad_value=pad_value, stochastic=seed != NEAREST,
        seed=max(seed, 0), upstream=upstream.data_ptr(),
        which=None if which is None else which.data_ptr(), x=x_words.data_ptr(), w=w_words.data_ptr(),
        x_window=values_in[0], w_window=values_in[1], x_gradient=pointers[0], w_gradient=pointers[1],
    )  # fmt: skip
    follow_torch_threads()
    call.workspace_bytes = lib.ob_sign_gradients_workspace(ctypes.byref(call))
    memory, call.workspace = scratch(call.workspace_bytes)
    check(lib.ob_sign_gradients(ctypes.byref(call)), "sign_gradients")
    del memory  # it must outlive the call
    return gradients[0], gradients[1]


def _check(
    upstream: Tensor, x: Tensor, w: Tensor, x_words: Tensor, w_words: Tensor, which: Tensor | None, window: Window
) -> None:
    """DtypeError and ShapeError, so that C reads inside of every tensor."""
    for name, values in (("upstream", upstream), ("x", x), ("w", w)):
        check_dtype("sign_gradients", name, values, torch.float32)
        if values.dim() != 4:
            raise ShapeError(f"sign_gradients: {name} has shape {tuple(values.shape)}; expected 4 dimensions.")
    if x.shape[3] != w.shape[3]:
        raise ShapeError(f"sign_gradients: x has {x.shape[3]} channels and w {w.shape[3]}; expected as many.")
    places = window.output("sign_gradients", x.shape[1], x.shape[2])
    if which is not None:
        places = (places[0] // 2, places[1] // 2)
        check_dtype("sign_gradients", "which", which, torch.uint8)
    expected = {
        "upstream": (upstream, (x.shape[0], *places, w.shape[0])),
        "x_words": (x_words, (*x.shape[:3], words_for(x.shape[3]))),
        "w_words": (w_words, (*w.shape[:3], words_for(w.shape[3]))),
    }
    if which is not None:
        expected["which"] = (which, expected["upstream"][1])
    for name, (tensor, shape) in expected.items():
        if name.endswith("_words"):
            check_dtype("sign_gradients", name, tensor, torch.int64, "Pack signs with onebit.ops.pack.")
        if tuple(tensor.shape) != shape:
            raise ShapeError(f"sign_gradients: {name} has shape {tuple(tensor.shape)}; expected {shape}.")


@sign_gradients.register_fake
def _(upstream: Tensor, x: Tensor, w: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    for_x, for_w = rest[6]
    return x.new_empty(x.shape if for_x else 0), w.new_empty(w.shape if for_w else 0)
