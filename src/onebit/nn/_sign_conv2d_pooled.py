"""onebit::sign_conv2d_pooled: `sign_conv2d` and a max pool of 2 x 2 behind it, with gradients in int8.

Only one of the four sums of a window has a gradient. What the pool chose goes back to the convolution as a byte, so the
gradient of all sums, four times as many and mostly zeros, is never written nor searched.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from onebit.nn._sign_conv2d import NCHW, of_bytes, output_size
from onebit.nn._sign_products import packed, plain


@torch.library.custom_op("onebit::sign_conv2d_pooled", mutates_args=(), device_types="cpu")
def sign_conv2d_pooled(
    x: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    pad_value: int,
    x_seed: Tensor | None,
    weight_seed: Tensor | None,
    windows: list[bool],  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """y = max_pool2d(conv2d(pad(sign(x)), sign(weight)), 2), of one group; arguments as in `sign_conv2d`.

    Returns float32 (N, n, H', W'), channels last in memory, both operands packed, and the places that were chosen (see
    `pool_floats`). Raises ShapeError if there is no whole window.
    """
    n, c, kernel = weight.shape[0], x.shape[1], list(weight.shape[2:])
    words, rows = packed(x, x_seed, 1), packed(weight, weight_seed, 1)
    handle = torch.ops.onebit.pack_conv_weights(rows, c, 1, kernel)
    y = torch.ops.onebit.conv2d_float(words, handle, n, c, kernel, stride, padding, dilation, 1, pad_value, *plain(n))
    largest, which = torch.ops.onebit.pool_floats(y)
    return largest.permute(NCHW), words, rows, which


@sign_conv2d_pooled.register_fake
def _(
    x: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int], *_: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sizes = output_size(x, weight, stride, padding, dilation)
    y = x.new_empty((x.shape[0], *(size // 2 for size in sizes), weight.shape[0]))
    words, rows = packed(x, None, 1), packed(weight, None, 1)
    return y.permute(NCHW), words, rows, torch.empty_like(y, dtype=torch.uint8)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, ctx.stride, ctx.padding, ctx.dilation, ctx.pad_value, _, _, ctx.windows = inputs
    ctx.save_for_backward(x, weight, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # zeros for the packed operands and the places


def _backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Any, ...]:
    return *of_bytes(ctx, upstream), *[None] * 7


sign_conv2d_pooled.register_autograd(_backward, setup_context=_remember)
