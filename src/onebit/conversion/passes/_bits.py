"""Sums that only their sign leaves: a layer, batch norm, max pool, sign become one layer with integer thresholds."""

from __future__ import annotations

from torch import fx

from onebit.conversion._channels import Chain, ChannelFunction, chain_behind
from onebit.conversion._graph import (
    BITS_OF,
    PACK,
    TO_NCHW,
    TO_NHWC,
    UNPACK,
    add_constant,
    aten,
    calls,
    copy_of,
    finished,
    permuted,
    replace,
    shape_of,
)
from onebit.conversion._layer import Layer, layer_of
from onebit.conversion._pools import pools_of, write_pool
from onebit.conversion._thresholds import NotBinary, Thresholds, find_thresholds

_READERS = (aten.linear.default, aten.conv2d.default, aten.conv2d.padding, aten.convolution.default)
_CARRIERS = (
    aten.reshape.default,
    aten.permute.default,
    aten.neg.default,
    aten.pad.default,
    aten.constant_pad_nd.default,
)


def fold_thresholds(module: fx.GraphModule) -> fx.GraphModule:
    """pack(f(dense_float(x)))  becomes  dense_bits(x), f any elementwise chain, bit for bit; likewise for conv2d.

    f_c depends on one integer y per channel (`chain_behind`), so it is +1 on a set of integers that running f finds.
    If that set is y >= t or y <= t, then comparing y with t gives f's bit for every y there is; nothing is assumed
    about what f is made of. Algebra would do worse: t = mean - beta * sigma / gamma, rounded, is wrong at ties, because
    f rounds. gamma < 0 turns the direction, gamma = 0 gives a constant channel, ReLU before the sign all +1: all of it
    is seen by running. Where the float sums themselves round (layer note), f runs in float64 on the real sums.

    Max pools inside f move behind the sign, where they are pools of bits (proof: `pools_of`).

    The same holds for a value that is not packed but feeds a product: if f is -1 or +1 on every integer that it can
    see, it is a sign, however it was written, torch.sign included when no sum is a tie.
    """
    module = copy_of(module)
    for dense in [node for node in module.graph.nodes if node.target in BITS_OF]:
        chain = chain_behind(module, dense)
        for result in reversed(chain[1:]):  # the outermost first: what lies inside is then mostly unused
            if not result.users:
                module.graph.erase_node(result)
            elif _wants_bits(result) and "refused" not in result.meta:
                _fold(module, dense, chain, result)
    return finished(module)


def _wants_bits(node: fx.Node) -> bool:
    if calls(node, PACK, UNPACK):
        return calls(node, PACK)
    return any(
        (calls(user, *_READERS) and user.args[0] is node) or (calls(user, *_CARRIERS) and _wants_bits(user))
        for user in node.users
    )


def _fold(module: fx.GraphModule, dense: fx.Node, chain: Chain, result: fx.Node) -> None:
    layer = layer_of(dense)
    if layer is None:  # not written by match_dense
        return
    try:
        function = ChannelFunction(module, chain, result, layer.sums)
        found = find_thresholds(function)
        pools = pools_of(function, found)
    except NotBinary as reason:
        result.meta["refused"] = str(reason)
        return
    note = f"{layer.sums.note or 'exact'}: thresholds {found.how}"
    with module.graph.inserting_before(result):
        captured = result.meta.get("captured", "")
        words = _write(module, dense, found, layer.but(result=captured, note=note, pools=len(pools)))
        for pool in pools:
            words = write_pool(module, words, layer.sums.n, pool)
        if not calls(result, PACK):
            words = _as_numbers(words, result, layer.sums.n)
        replace(result, words)


def _write(module: fx.GraphModule, dense: fx.Node, found: Thresholds, layer: Layer) -> fx.Node:
    operator = BITS_OF[dense.target]
    threshold = add_constant(module, f"{layer.name}_threshold", found.threshold)
    direction = add_constant(module, f"{layer.name}_direction", found.direction)
    node = module.graph.call_function(operator, (*dense.args[:-2], threshold, direction))
    node.meta["layer"] = layer
    return node


def _as_numbers(words: fx.Node, result: fx.Node, n: int) -> fx.Node:
    """The signs in the shape of result, whose channels are dimension 1 if it is a map."""
    sign = words.graph.call_function(UNPACK, (words, n))
    if len(shape_of(result) or ()) != 4:
        return sign
    value = result.meta["val"]
    sign.meta["val"] = value.permute(TO_NHWC)
    return permuted(sign, TO_NCHW)
