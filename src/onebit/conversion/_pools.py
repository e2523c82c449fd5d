"""Max pools: between a sum and its sign, and on signs, they become pools of bits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, fx

from onebit.conversion._channels import ChannelFunction, why_not_monotone
from onebit.conversion._graph import POOL, add_constant, aten, calls, layer_name
from onebit.conversion._thresholds import ENUMERATE, NotBinary, Thresholds
from onebit.conversion._windows import Window, pool_window


@dataclass(frozen=True)
class BitPool:
    """A pool of bits: node, the captured max pool. minimum: (channels,) True where the smallest sign wins."""

    node: fx.Node
    window: Window
    minimum: Tensor


def pools_of(function: ChannelFunction, found: Thresholds) -> list[BitPool]:
    """The max pools inside a thresholded function, in order, as pools of its signs; raises NotBinary if that fails.

    Let b(y) = g(h(y)) be the sign that the chain gives for the sum y of a channel, h what comes before a pool and g
    what comes behind it. `found` says that b is monotone in y. If h is monotone in y too, then b is a monotone
    function of v = h(y) on the values that v takes: where h(y) = h(y') g sees the same number, and elsewhere y and y'
    are in the order of v (or all in the opposite one). So g(max v) = max g(v) if h and b go the same way in y, and
    g(max v) = min g(v) if they do not: batch norm behind the pool with gamma < 0. For constant b both hold.
    The maximum of a window is h(y*) of its largest or smallest sum y*, one for all that follows, so with two pools
    the argument repeats with y*. Padded places are -inf in the first pool: they never win, as in the pool of bits.
    h runs as captured, so its rounding is part of the argument; it must have no path around the pool.
    """
    pools = []
    for node in function.nodes:
        if not calls(node, aten.max_pool2d.default):
            continue
        window = pool_window(node)
        if window is None:
            raise NotBinary(f"{node.name} is a max pool with dilation, which pools of bits lack")
        if not _separates(node, function):
            raise NotBinary(f"{node.name} pools sums that are used unpooled as well")
        inner = ChannelFunction(function.module, [function.dense, *function.nodes], node.args[0], function.sums)  # type: ignore[arg-type]
        pools.append(BitPool(node, window, _rises(inner) != (found.direction > 0)))
    return pools


def _separates(pool: fx.Node, function: ChannelFunction) -> bool:
    """True if every path from the sum to the result leads through the pool."""
    inside, todo, seen = {function.dense, *function.nodes}, [function.result], set[fx.Node]()
    while todo:
        node = todo.pop()
        if node is function.dense:
            return False
        if node is not pool and node in inside and node not in seen:
            seen.add(node)
            todo.extend(node.all_input_nodes)
    return True


def _rises(inner: ChannelFunction) -> Tensor:
    """True where h grows with the sum, False where it falls; NotBinary where it does both."""
    sums = inner.sums
    ends = torch.stack([sums.lowest, sums.lowest + sums.step * (sums.count - 1)])
    doubt = why_not_monotone(inner)
    if doubt and sums.count * sums.n > ENUMERATE:
        raise NotBinary(f"a max pool between the sum and its sign, and {doubt}")
    values = inner(sums.integers(0, sums.count) if doubt else ends)
    steps = values[1:] - values[:-1]
    rises, falls = (steps >= 0).all(0), (steps <= 0).all(0)
    if not bool((rises | falls).all()):
        raise NotBinary(f"a max pool sees channel {int((rises | falls).int().argmin())} rise and fall with its sum")
    return rises


def write_pool(module: fx.GraphModule, words: fx.Node, channels: int, pool: BitPool) -> fx.Node:
    """A call of the operator, at the insertion point."""
    mask = torch.ops.onebit.pack(torch.where(pool.minimum, -1.0, 1.0)[None])[0]
    minimum = add_constant(module, f"{layer_name(pool.node)}_minimum", mask)
    kernel, stride, padding, _, _ = pool.window.steps
    node = module.graph.call_function(POOL, (words, channels, kernel, stride, padding, minimum))
    node.meta.update({key: pool.node.meta[key] for key in ("nn_module_stack",) if key in pool.node.meta})
    count = int(pool.minimum.sum())
    node.meta["pool"] = "largest sign" + (f", smallest in {count} of {channels} channels" if count else "")
    return node
