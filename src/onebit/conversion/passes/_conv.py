"""Binary convolutions: conv2d on signs or on bytes becomes conv2d_float, conv2d_u8_float or conv2d_s8_float."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as replace_in
from typing import Any

import torch
from torch import Tensor, fx

from onebit.bits import words_for
from onebit.conversion._graph import (
    CONV,
    CONV_OF,
    TO_NCHW,
    TO_NHWC,
    add_constant,
    args_of,
    aten,
    calls,
    constant,
    copy_of,
    finished,
    layer_name,
    permuted,
    replace,
)
from onebit.conversion._layer import Layer
from onebit.conversion._moves import SignSource, sign_source
from onebit.conversion._pixels import PixelMap, pixel_map
from onebit.conversion._sums import MANTISSA, Sums, bias_is_exact
from onebit.conversion._thresholds import NotBinary
from onebit.conversion._weights import BinaryWeights, binary_weights
from onebit.conversion._windows import Window, conv_window, pad_before
from onebit.conversion.passes._dense import not_binary, raw_pixels, sums_of_signs

_CONVOLUTIONS = (aten.conv2d.default, aten.conv2d.padding, aten.convolution.default)
_INT32_MAX = 2**31 - 1
_LARGEST_MULTIPLIER = 1024


def match_conv(module: fx.GraphModule) -> fx.GraphModule:
    """conv2d(unpack(p), a * S, b)  becomes  conv2d_float(p, S, scale=a, bias=b), S of signs; likewise on pixels.

    The operator takes maps with the channels last, so p must hold them so, and a permute brings the result back. Each
    of its sums y is one product of match_dense over the places of the window, and the same proof holds: the bits are
    equal where float32 holds all partial sums. Places outside of the map hold pad_value in both: 0 for conv2d's own
    padding, the value of a constant pad in front of it; as integers 0 and +-1 they are exact too. A convolution of -x
    padded with v is one of x padded with -v and weights -S. Pixels x = m * p + o reach the operator as m and o, so
    that padding happens to x, not to p: `_integers`.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        if not calls(node, *_CONVOLUTIONS):
            continue
        try:
            _match(module, node)
        except NotBinary as reason:
            node.meta["why"] = str(reason)
    return finished(module)


@dataclass(frozen=True)
class _Conv:
    """A captured convolution: its weights (n, c / groups, kh, kw) as signs and scales, and its whole padding."""

    node: fx.Node
    shape: torch.Size
    weights: BinaryWeights
    bias: Tensor
    window: Window

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The operators' arguments from n to groups."""
        return (self.shape[0], self.shape[1] * self.window.groups, *self.window.steps)

    @property
    def padded_before(self) -> bool:
        """True if the captured operand is a pad of the input."""
        return pad_before(self.node.args[0]) is not None

    def pad_value(self) -> int:
        """What padded places hold; raises NotBinary if that is not 0, +1 or -1."""
        if not self.window.padded:
            return 0
        if self.window.pad_value not in (0, 1, -1):
            raise NotBinary(f"it pads with {self.window.pad_value:g}; only 0, +1 and -1 have an integer form")
        return int(self.window.pad_value)


def _match(module: fx.GraphModule, node: fx.Node) -> None:
    x, weight_node, bias_node = (*args_of(node), None)[:3]
    weight, bias = constant(module, weight_node), constant(module, bias_node)
    if weight is None or (bias is None and bias_node is not None) or not isinstance(x, fx.Node):
        raise NotBinary("its weights depend on the input")
    window, x = _window(node, x, weight.shape)
    bias = torch.zeros(len(weight)) if bias is None else bias
    conv = _Conv(node, weight.shape, binary_weights(weight.flatten(1)), bias, window)
    source = sign_source(x)
    if source is not None:
        _convolve_signs(module, conv, source)
        return
    pixels = pixel_map(module, x)
    if pixels is None:
        raise NotBinary(not_binary(x))
    _convolve_pixels(module, conv, pixels)


def _window(node: fx.Node, x: fx.Node, shape: torch.Size) -> tuple[Window, fx.Node]:
    """The window with the padding of a constant pad in front, and what that one pads."""
    window, before = conv_window(node, shape), pad_before(x)
    if before is None:
        return window, x
    x, (top, bottom, left, right), value = before
    if window.padded and value != 0:
        raise NotBinary(f"it pads with 0 what was padded with {value:g}; pad once")
    own = window.padding
    padding = (own[0] + top, own[1] + bottom, own[2] + left, own[3] + right)
    return replace_in(window, padding=padding, pad_value=value), x


def _convolve_signs(module: fx.GraphModule, conv: _Conv, x: SignSource) -> None:
    weights, pad_value = conv.weights, conv.pad_value()
    if x.negated:
        weights, pad_value = BinaryWeights(-weights.signs, weights.scale, weights.note), -pad_value
    n, k = weights.signs.shape
    step = 1 if conv.window.padded and pad_value == 0 else 2  # missing terms change the parity
    lattice = torch.full((n,), -k), 2 * k // step + 1, step
    sums = replace_in(sums_of_signs(conv.node, x, weights, conv.bias, lattice), padded=conv.padded_before)
    words = _map_of_words(module, conv.node, x)
    _write(module, conv, CONV["float"], words, weights.signs, (pad_value,), sums)


def _map_of_words(module: fx.GraphModule, node: fx.Node, x: SignSource) -> fx.Node:
    """The words as (N, H, W, words), if the moves brought just their channels to the front."""
    if x.order.ndim != 3 or x.order.shape[0] != x.shape[-1]:
        raise NotBinary("its input is not a map of signs (N, C, H, W) that were packed along C")
    order = x.order.permute(1, 2, 0)
    if not torch.equal(order.flatten(), torch.arange(order.numel())):
        raise NotBinary("its input is a map whose places were moved after the sign")
    if tuple(order.shape) == x.shape:
        return x.words
    with module.graph.inserting_before(node):
        shape = [-1, *order.shape[:2], words_for(x.shape[-1])]
        return module.graph.call_function(aten.reshape.default, (x.words, shape))


def _convolve_pixels(module: fx.GraphModule, conv: _Conv, pixels: PixelMap) -> None:
    multiplier, offset, unit = _integers(pixels)
    pad_value = conv.pad_value()
    if unit != 1 and pad_value:
        raise NotBinary(f"it pads normalised pixels with {pad_value}; pad with 0")
    sums = _sums_of_pixels(conv, pixels, multiplier, offset, unit)
    x = raw_pixels(module, conv.node, pixels)
    with module.graph.inserting_before(conv.node):
        x = module.graph.call_function(aten.permute.default, (x, list(TO_NHWC)))
    _write(module, conv, CONV_OF[pixels.dtype]["float"], x, conv.weights.signs, (pad_value, multiplier, offset), sums)


def _integers(pixels: PixelMap) -> tuple[int, int, float]:
    """(m, o, u) with slope * p + offset = u * (m * p + o), m and o integers.

    If both are integers already, u = 1. Else m is the smallest for which o = m * offset / slope is an integer up to
    1e-7 of the largest pixel, which is the rounding of float32: 2, -255 for p / 127.5 - 1.
    """
    if pixels.exact:
        return int(pixels.slope), int(pixels.offset), 1.0
    ratio = pixels.offset / pixels.slope
    m = torch.arange(1, _LARGEST_MULTIPLIER + 1, dtype=torch.float64)
    off = (m * ratio - (m * ratio).round()).abs() / m
    fits = off <= 1e-7 * max(255.0, abs(ratio))
    if not bool(fits.any()):
        raise NotBinary(
            f"its pixels are normalised to {pixels.slope:g} * (p + {ratio:g}), which has no form in small integers; "
            "use onebit.nn.Pixels"
        )
    first = int(fits.nonzero()[0]) + 1
    return first, round(first * ratio), pixels.slope / first


def _sums_of_pixels(conv: _Conv, pixels: PixelMap, multiplier: int, offset: int, unit: float) -> Sums:
    signs, scales, note = conv.weights.signs, conv.weights.scale, conv.weights.note
    k, padded = signs.shape[1], conv.window.padded
    ends = [*(multiplier * p + offset for p in pixels.ends), *([conv.pad_value()] if padded else [])]
    low, high = min(ends), max(ends)
    largest = k * max(abs(low), abs(high))
    if largest > _INT32_MAX:
        raise NotBinary(f"its sums of {k:,} pixels can reach {largest:,}, more than 32 bits hold")
    minus, step = (signs < 0).sum(1), 1 if padded else abs(multiplier)
    lattice = (k - minus) * low - minus * high, k * (high - low) // step + 1, step
    scale, real = scales.double() * unit, None
    if not pixels.exact:
        note = "first layer agrees up to the float model's own rounding of normalised pixels"
    elif largest >= MANTISSA:
        note = f"float32 sums of {k:,} pixels round"
    if note:
        real = (scale, conv.bias.double())
    elif not bias_is_exact(conv.bias / scales, largest):
        note = "the float model rounds its bias into the sums"
    captured, before = conv.node.meta["captured"], conv.padded_before
    return Sums(k, *lattice, scale.float(), conv.bias, captured, pixels=True, padded=before, note=note, real=real)


def _write(
    module: fx.GraphModule,
    conv: _Conv,
    operator: torch._ops.OpOverload,
    x: fx.Node,
    signs: Tensor,
    meaning: tuple[int, ...],
    sums: Sums,
) -> None:
    """The operator in place of the convolution, with a permute back to its layout; meaning: pad_value and the rest."""
    node, weight_node = conv.node, conv.node.args[1]
    name = layer_name(node, weight_node)  # type: ignore[arg-type]
    layer = Layer(name, sums, "", sums.scale, sums.bias, f"{sums.note or 'exact'}: integer sums")
    rows = torch.ops.onebit.pack(signs.reshape(conv.shape).permute(0, 2, 3, 1).contiguous())
    handle = torch.ops.onebit.pack_conv_weights(rows, conv.sizes[1], conv.window.groups, [*conv.window.kernel])
    with module.graph.inserting_before(node):
        weights = add_constant(module, f"{name}_weights", handle, weight_node)  # type: ignore[arg-type]
        scale = add_constant(module, f"{name}_scale", layer.scale)
        bias = add_constant(module, f"{name}_bias", layer.bias)
        new = module.graph.call_function(operator, (x, weights, *conv.sizes, *meaning, scale, bias))
        new.meta["layer"], new.meta["val"] = layer, node.meta["val"].permute(TO_NHWC)
        back = permuted(new, TO_NCHW)
    replace(node, back)
