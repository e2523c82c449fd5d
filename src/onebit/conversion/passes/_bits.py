"""Sums that only their sign leaves: dense_float, batch norm, sign become dense_bits with integer thresholds."""

from __future__ import annotations

from torch import fx

from onebit.conversion._channels import Chain, ChannelFunction, chain_behind
from onebit.conversion._graph import (
    DENSE,
    DENSE_U8,
    PACK,
    UNPACK,
    add_constant,
    aten,
    calls,
    copy_of,
    finished,
    replace,
)
from onebit.conversion._layer import Layer, layer_of
from onebit.conversion._thresholds import NotBinary, Thresholds, find_thresholds


def fold_thresholds(module: fx.GraphModule) -> fx.GraphModule:
    """pack(f(dense_float(x)))  becomes  dense_bits(x), f any elementwise chain, bit for bit.

    f_c depends on one integer y per channel (`chain_behind`), so it is +1 on a set of integers that running f finds.
    If that set is y >= t or y <= t, then comparing y with t gives f's bit for every y there is; nothing is assumed
    about what f is made of. Algebra would do worse: t = mean - beta * sigma / gamma, rounded, is wrong at ties, because
    f rounds. gamma < 0 turns the direction, gamma = 0 gives a constant channel, ReLU before the sign all +1: all of it
    is seen by running. Where the float sums themselves round (layer note), f runs in float64 on the real sums.

    The same holds for a value that is not packed but feeds a linear: if f is -1 or +1 on every integer that it can see,
    it is a sign, however it was written, torch.sign included when no sum is a tie.
    """
    module = copy_of(module)
    for dense in [node for node in module.graph.nodes if node.target in (DENSE["float"], DENSE_U8["float"])]:
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
    return any(calls(user, aten.linear.default) and user.args[0] is node for user in node.users)


def _fold(module: fx.GraphModule, dense: fx.Node, chain: Chain, result: fx.Node) -> None:
    layer = layer_of(dense)
    if layer is None:  # not written by match_dense
        return
    try:
        found = find_thresholds(ChannelFunction(module, chain, result, layer.sums))
    except NotBinary as reason:
        result.meta["refused"] = str(reason)
        return
    note = f"{layer.sums.note or 'exact'}: thresholds {found.how}"
    with module.graph.inserting_before(result):
        words = _write(module, dense, found, layer.but(result=result.meta.get("captured", ""), note=note))
        if calls(result, PACK):
            replace(result, words)
        else:
            replace(result, module.graph.call_function(UNPACK, (words, layer.sums.n)))


def _write(module: fx.GraphModule, dense: fx.Node, found: Thresholds, layer: Layer) -> fx.Node:
    operator = (DENSE_U8 if layer.sums.pixels else DENSE)["bits"]
    threshold = add_constant(module, f"{layer.name}_threshold", found.threshold)
    direction = add_constant(module, f"{layer.name}_direction", found.direction)
    node = module.graph.call_function(operator, (*dense.args[:4], threshold, direction))
    node.meta["layer"] = layer
    return node
