"""onebit::sign_conv2d: the convolution of signs, on bits forward, differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.nn._sign_products import NEAREST, Gradients, backward_dtype, packed, plain, signs_in, through

_NHWC, NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


@torch.library.custom_op("onebit::sign_conv2d", mutates_args=(), device_types="cpu")
def sign_conv2d(
    x: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    pad_value: int,
    x_seed: Tensor | None,
    weight_seed: Tensor | None,
    windows: list[bool],  # noqa: ARG001
    backward: str,  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor]:
    """y = conv2d(pad(sign(x)), sign(weight)) for float32 x (N, C, H, W) and weight (n, C / groups, kh, kw).

    padding: top, bottom, left, right; pad_value: 0, +1 or -1. Seeds, windows, backward: as in `sign_linear`; "int8" is
    for one group. Returns float32 (N, n, H', W'), channels last in memory, and both operands packed along their
    channels; an x that is channels last too is not copied.
    """
    n, c, kernel = weight.shape[0], x.shape[1], list(weight.shape[2:])
    words, rows = packed(x, x_seed, 1), packed(weight, weight_seed, 1)
    handle = torch.ops.onebit.pack_conv_weights(rows, c, groups, kernel)
    sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
    y: Tensor = torch.ops.onebit.conv2d_float(words, handle, *sizes, *plain(n))
    return y.permute(NCHW), words, rows


@sign_conv2d.register_fake
def _(
    x: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,  # noqa: ARG001
    pad_value: int,  # noqa: ARG001
    x_seed: Tensor | None,  # noqa: ARG001
    weight_seed: Tensor | None,  # noqa: ARG001
    windows: list[bool],  # noqa: ARG001
    backward: str,  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor]:
    words, rows = packed(x, None, 1), packed(weight, None, 1)
    y = x.new_empty((x.shape[0], *output_size(x, weight, stride, padding, dilation), weight.shape[0]))
    return y.permute(NCHW), words, rows


def output_size(
    x: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> tuple[int, ...]:
    """H' and W' of a convolution."""
    return tuple(
        (x.shape[2 + i] + padding[2 * i] + padding[2 * i + 1] - dilation[i] * (weight.shape[2 + i] - 1) - 1)
        // stride[i]
        + 1
        for i in range(2)
    )


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, ctx.stride, ctx.padding, ctx.dilation, ctx.groups, ctx.pad_value, _, _, ctx.windows, ctx.how = inputs
    ctx.save_for_backward(x, weight, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # zeros for the packed operands


def _backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    return *(of_bytes(ctx, upstream) if ctx.how == "int8" else _of_floats(ctx, upstream)), *[None] * 9


def of_bytes(ctx: Any, upstream: Tensor) -> Gradients:
    """Both gradients by whole numbers; a fifth tensor that was saved is the places that a max pool chose."""
    x, weight, words, rows, *which = ctx.saved_tensors
    values = (operand.permute(_NHWC) for operand in (upstream, x, weight))
    geometry, wanted = (ctx.stride, ctx.padding, ctx.dilation, ctx.pad_value), ctx.needs_input_grad[:2]
    found = torch.ops.onebit.sign_gradients(*values, words, rows, *geometry, ctx.windows, wanted, NEAREST, *which)
    gx, gw = (g.permute(NCHW) if want else None for g, want in zip(found, wanted, strict=True))
    return gx, gw


def _of_floats(ctx: Any, upstream: Tensor) -> Gradients:
    x, weight, words, rows = ctx.saved_tensors
    dtype = backward_dtype(ctx.how)
    top, bottom, left, right = ctx.padding
    operands = ((words, x), (rows, weight))
    xs, ws = (signs_in(dtype, bits, values.permute(_NHWC)).permute(NCHW) for bits, values in operands)
    sides = [top, left]
    explicit = ctx.pad_value != 0 or top != bottom or left != right  # torch's own padding is symmetric, and of zeros
    if explicit:
        xs, sides = F.pad(xs, [left, right, top, bottom], value=ctx.pad_value), [0, 0]
    for_x, for_weight = ctx.needs_input_grad[:2]
    gx, gw, _ = torch.ops.aten.convolution_backward(
        upstream.to(dtype), xs, ws, None, ctx.stride, sides, ctx.dilation, False, [0, 0],
        ctx.groups, [for_x, for_weight, False],
    )  # fmt: skip
    if explicit and for_x:
        gx = gx[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    gx = through(gx, x, ctx.windows[0]) if for_x else None
    gw = through(gw, weight, ctx.windows[1]) if for_weight else None
    return gx, gw


sign_conv2d.register_autograd(_backward, setup_context=_remember)
