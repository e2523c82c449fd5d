"""Max pools of signs become pools of bits."""

from __future__ import annotations

import torch
from torch import fx

from onebit.conversion._graph import (
    TO_NCHW,
    UNPACK,
    args_of,
    aten,
    calls,
    copy_of,
    finished,
    permuted,
    permutes,
    replace,
)
from onebit.conversion._pools import BitPool, write_pool
from onebit.conversion._windows import pool_window


def match_pool(module: fx.GraphModule) -> fx.GraphModule:
    """max_pool2d(+-permute(unpack(p)))  becomes  +-permute(unpack(max_pool2d(p))).

    The largest of -1 and +1 is +1 if any is: bits 0 and 1 for +1 and -1, so it is their AND. max(-s) = -min(s), an OR.
    Padded places are -inf in the first and left out in the second; neither window is ever empty.
    """
    module = copy_of(module)
    for node in module.graph.find_nodes(op="call_function", target=aten.max_pool2d.default):
        x = node.args[0]
        negated = calls(x, aten.neg.default)
        view = args_of(x)[0] if negated else x
        window = pool_window(node)
        if window is None or not permutes(view, TO_NCHW) or not calls(view.args[0], UNPACK):
            continue
        words, channels = args_of(view.args[0])
        pool = BitPool(node, window, torch.full((channels,), negated))
        with module.graph.inserting_before(node):
            pooled = write_pool(module, words, channels, pool)
            sign = module.graph.call_function(UNPACK, (pooled, channels))
            sign.meta["val"] = node.meta["val"].permute(0, 2, 3, 1)
            new = permuted(sign, TO_NCHW)
            new = module.graph.call_function(aten.neg.default, (new,)) if negated else new
        if isinstance(x, fx.Node) and x.meta.get("rounded"):
            new.meta["rounded"] = True
        replace(node, new)
    return finished(module)
