"""Signs of maps that are joined along their channels: each is signed and packed where it was made."""

from __future__ import annotations

import torch
from torch import fx

from onebit.bits import WORD_BITS
from onebit.conversion._graph import (
    PACK,
    TO_NHWC,
    UNPACK,
    args_of,
    aten,
    calls,
    copy_of,
    finished,
    permuted,
    permutes,
    replace,
    shape_of,
)
from onebit.conversion._pools import BitPool, write_pool
from onebit.conversion._windows import pool_window


def split_concat(module: fx.GraphModule) -> fx.GraphModule:
    """pack(cat(x, y))  becomes  cat(pack(x), pack(y)); pack(max_pool2d(x))  max_pool2d(pack(x)) where pack(x) is there.

    A sign depends on one number, so it is the same before and after numbers are joined. Where every map but the last
    has a multiple of 64 channels, its words are whole, and joining words joins bits; else the signs are joined as
    floats and packed once more, which changes none. Sign is monotone and -inf is never chosen, so the sign of the
    largest number is the largest sign. Now the layers before the joint see a sign behind them, and become bits.
    """
    module = copy_of(module)
    made: dict[fx.Node, fx.Node] = {}
    for node in module.graph.find_nodes(op="call_function", target=PACK):
        moved = node.args[0]
        if not permutes(moved, TO_NHWC):
            continue
        x = args_of(moved)[0]
        if not _splits(x, made):
            made.setdefault(x, node)
            continue
        with module.graph.inserting_before(node):
            words = _words(module, x, made)
        replace(node, words)
    return finished(module)


def _splits(x: fx.Node, made: dict[fx.Node, fx.Node]) -> bool:
    """True for maps joined along their channels, and for max pools of them or of maps that are packed already."""
    if calls(x, aten.max_pool2d.default):
        inner = args_of(x)[0]
        return pool_window(x) is not None and (inner in made or _splits(inner, made))
    return calls(x, aten.cat.default) and len(shape_of(x) or ()) == 4 and args_of(x)[1:] in ((1,), (-3,))


def _words(module: fx.GraphModule, x: fx.Node, made: dict[fx.Node, fx.Node]) -> fx.Node:
    """The signs of a map x (N, C, H, W), packed along C, at the insertion point or earlier."""
    if x not in made:
        window = pool_window(x) if calls(x, aten.max_pool2d.default) else None
        if not _splits(x, made):
            words = module.graph.call_function(PACK, (permuted(x, TO_NHWC),))
        elif window is None:
            words = _join(module, x, made)
        else:
            channels = int((shape_of(x) or (0, 0))[1])
            pool = BitPool(x, window, torch.zeros(channels, dtype=torch.bool))
            words = write_pool(module, _words(module, args_of(x)[0], made), channels, pool)
        words.meta["captured"] = x.meta.get("captured", "")
        made[x] = words
    return made[x]


def _join(module: fx.GraphModule, x: fx.Node, made: dict[fx.Node, fx.Node]) -> fx.Node:
    call, maps = module.graph.call_function, args_of(x)[0]
    channels = [int((shape_of(one) or (0, 0))[1]) for one in maps]
    words = [_words(module, one, made) for one in maps]
    if not any(count % WORD_BITS for count in channels[:-1]):
        return call(aten.cat.default, (words, 3))
    signs = [call(UNPACK, (one, count)) for one, count in zip(words, channels, strict=True)]
    return call(PACK, (call(aten.cat.default, (signs, 3)),))
