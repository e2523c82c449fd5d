"""Binary matrix products: linear on signs or on bytes becomes dense_float, dense_u8_float or dense_s8_float."""

from __future__ import annotations

from dataclasses import replace as replace_in

import torch
from torch import Tensor, fx

from onebit.bits import WORD_BITS, words_for
from onebit.conversion._graph import (
    DENSE,
    DENSE_OF,
    add_constant,
    args_of,
    aten,
    calls,
    constant,
    copy_of,
    dtype_of,
    finished,
    layer_name,
    replace,
)
from onebit.conversion._layer import Layer
from onebit.conversion._moves import SignSource, sign_source
from onebit.conversion._pixels import PixelMap, pixel_map
from onebit.conversion._sums import MANTISSA, Sums, bias_is_exact, of_pixels, of_signs
from onebit.conversion._thresholds import NotBinary
from onebit.conversion._weights import BinaryWeights, binary_weights


def match_dense(module: fx.GraphModule) -> fx.GraphModule:
    """linear(unpack(p), a * S, b)  becomes  dense_float(p, S, scale=a, bias=b), S of signs; likewise on pixels.

    dense_float gives float(y) * a + b of the exact integer y = sum_k x_k * S_k. If a is a power of two and y + b is
    exact in float32 (`bias_is_exact`; always for b = 0 below 2**24 inputs), the float product has no rounding in any
    order of summation, so the bits are equal. On pixels x = slope * p + offset with integers, sum(x * S) =
    slope * sum(p * S) + offset * sum(S), all integers below 2**24: equal again.
    Everything else rounds in the float model at every addition. Then the operator is the more exact of the two,
    the layer says so, and verify counts the differences. What does not match stays and keeps the reason.
    A flattened map of bits needs no repacking, see `_on_row`.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        if not calls(node, aten.linear.default):
            continue
        try:
            _match(module, node)
        except NotBinary as reason:
            node.meta["why"] = str(reason)
    return finished(module)


def _match(module: fx.GraphModule, node: fx.Node) -> None:
    x, weight_node, bias_node = (*args_of(node), None)[:3]
    weight, bias = constant(module, weight_node), constant(module, bias_node)
    if weight is None or (bias is None and bias_node is not None) or not isinstance(x, fx.Node):
        raise NotBinary("its weights depend on the input")
    weights = binary_weights(weight)
    bias = torch.zeros(len(weight)) if bias is None else bias
    source = sign_source(x)
    if source is not None:
        if source.negated:  # (-x) @ S = x @ (-S)
            weights = BinaryWeights(-weights.signs, weights.scale, weights.note)
        words, operator = source.words, DENSE["float"]
        sums = sums_of_signs(node, source, weights, bias, of_signs(weights.signs))
        if source.moved:
            words, weights, sums = _on_row(module, node, source, weights, sums)
    else:
        pixels = pixel_map(module, x)
        if pixels is None:
            raise NotBinary(not_binary(x))
        words = raw_pixels(module, node, pixels)
        sums, operator = _sums_of_pixels(node, pixels, weights, bias), DENSE_OF[pixels.dtype]["float"]
    layer = Layer(
        layer_name(node, weight_node), sums, "", sums.scale, sums.bias, f"{sums.note or 'exact'}: integer sums"
    )
    with module.graph.inserting_before(node):
        new = write_dense(module, operator, words, pack_rows(module, weight_node, weights.signs), layer)
    replace(node, new)


def sums_of_signs(
    node: fx.Node, x: SignSource, weights: BinaryWeights, bias: Tensor, lattice: tuple[Tensor, int, int]
) -> Sums:
    """The sums of a product or convolution of signs; lattice: the integers that they are among."""
    k = weights.signs.shape[1]
    note, real = weights.note, None
    if x.rounded:
        note = "the float model's signs miss -1 and +1 by rounding"
    if note:
        real = (weights.scale.double(), bias.double())
    elif not bias_is_exact(bias / weights.scale, k):
        note = "the float model rounds its bias into the sums"
    captured = node.meta["captured"]
    return Sums(k, *lattice, weights.scale, bias, captured, negated=x.negated, note=note, real=real)


def _on_row(
    module: fx.GraphModule, node: fx.Node, source: SignSource, weights: BinaryWeights, sums: Sums
) -> tuple[fx.Node, BinaryWeights, Sums]:
    """linear(flatten(map))  becomes  dense on the words of the map, row by row, with the weights' columns moved.

    `source.order` says which sign of the map the linear's input j is, so its column goes there: the same products are
    added in another order. Where C is no multiple of 64, each place of the map ends in tail bits 0, which a row of
    words shows as signs +1. Their weights are +1 and -1 in turn, so they add t = 0 to every sum, or t = 1 if they are
    odd in number, and the epilogue takes t back: (y + t) * a + (b - t*a), exact where b - t*a is.
    """
    channels = source.shape[-1]
    if source.order.ndim != 1 or source.order.sort().values.ne(torch.arange(len(source.order))).any():
        raise NotBinary("its input is not one row of signs for each example")
    places = torch.Size(source.shape[:-1]).numel()
    width = words_for(channels) * WORD_BITS if places > 1 else channels  # the tail of the last word is no input
    columns = source.order // channels * width + source.order % channels
    k = places * width
    tail = torch.ones(k, dtype=torch.bool)
    tail[columns] = False
    signs = torch.empty(len(weights.signs), k)
    signs[:, tail] = torch.where(torch.arange(int(tail.sum())) % 2 == 0, 1.0, -1.0)
    signs[:, columns] = weights.signs
    t = int(tail.sum()) % 2
    bias = sums.bias - t * sums.scale
    if bool((bias.double() != sums.bias.double() - t * sums.scale.double()).any()):
        sums = replace_in(sums, note=sums.note or "the float model rounds its bias into the sums")
    real = None if sums.real is None else (sums.real[0], sums.real[1] - t * sums.real[0])
    with module.graph.inserting_before(node):
        row = module.graph.call_function(aten.reshape.default, (source.words, [-1, words_for(k)]))
    moved = replace_in(sums, k=k, lowest=sums.lowest + t, bias=bias, real=real, columns=columns)
    return row, BinaryWeights(signs, weights.scale, weights.note), moved


def _sums_of_pixels(node: fx.Node, pixels: PixelMap, weights: BinaryWeights, bias: Tensor) -> Sums:
    k, total = weights.signs.shape[1], weights.signs.double().sum(1)
    scale = weights.scale.double() * pixels.slope
    shift = weights.scale.double() * pixels.offset * total + bias.double()
    low, high = pixels.ends
    terms = [value for p in (low, high) for value in (pixels.slope * p, pixels.slope * p + pixels.offset)]
    largest = k * max(abs(value) for value in (*terms, pixels.offset))
    note, real = weights.note, None
    if not pixels.exact:
        note = "first layer agrees up to the float model's own rounding of normalised pixels"
    elif largest >= MANTISSA:
        note = f"float32 sums of {k:,} pixels round"
    if note:
        real = (scale, shift)
    elif not bias_is_exact(bias / weights.scale, largest):
        note = "the float model rounds its bias into the sums"
    captured = node.meta["captured"]
    lattice = of_pixels(weights.signs, low, high)
    return Sums(k, *lattice, scale.float(), shift.float(), captured, pixels=True, note=note, real=real)


def raw_pixels(module: fx.GraphModule, node: fx.Node, pixels: PixelMap) -> fx.Node:
    """The pixels themselves, in the layer's shape."""
    source = pixels.source
    with module.graph.inserting_before(node):
        for step in pixels.moves:
            source = module.graph.call_function(step.target, (source, step.args[1]))  # type: ignore[arg-type]
    return source


def not_binary(x: fx.Node) -> str:
    """Why a layer with this input stays float."""
    why = x.meta.get("refused") or x.meta.get("why")
    if why:
        return f"its input is not binary: {why}"
    if x.op == "placeholder" or dtype_of(x) != torch.float32:
        return (
            f"the model takes {dtype_of(x)}; give convert the raw bytes, uint8 pixels or int8 values, and normalise "
            "them inside the model"
        )
    return f"its input {layer_name(x)} ({x.target}) is not binary; put a sign, onebit.quantizers.Sign(), before it"


def pack_rows(module: fx.GraphModule, weight: fx.Node, signs: Tensor) -> fx.Node:
    """A constant: the rows of signs (n, k) packed as the kernels read them."""
    words = torch.ops.onebit.pack(signs.contiguous())
    handle = torch.ops.onebit.pack_weights(words, signs.shape[1])
    return add_constant(module, f"{layer_name(weight, weight)}_weights", handle, weight)


def write_dense(
    module: fx.GraphModule, operator: torch._ops.OpOverload, x: fx.Node, weights: fx.Node, layer: Layer
) -> fx.Node:
    """A call of a dense operator with float epilogue, at the insertion point."""
    scale = add_constant(module, f"{layer.name}_scale", layer.scale)
    bias = add_constant(module, f"{layer.name}_bias", layer.bias)
    node = module.graph.call_function(operator, (x, weights, layer.sums.n, layer.sums.k, scale, bias))
    node.meta["layer"] = layer
    return node
