"""Signs of signs: what is packed already is not packed again."""

from __future__ import annotations

import torch
from torch import fx

from onebit.conversion._graph import PACK, calls, copy_of, finished
from onebit.conversion._moves import sign_source


def cancel_repacking(module: fx.GraphModule) -> fx.GraphModule:
    """pack(moves(unpack(p)))  becomes  p where the moves end at the place where they began, as NHWC to NCHW and back.

    unpack gives -1 and +1, whose signs are the bits they came from. That signs of the float model miss -1 and +1 by
    rounding changes no sign.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        source = sign_source(node.args[0]) if calls(node, PACK) else None
        if source is None or source.negated or tuple(source.order.shape) != source.shape:
            continue
        if torch.equal(source.order.flatten(), torch.arange(source.order.numel())):
            node.replace_all_uses_with(source.words)
            module.graph.erase_node(node)
    return finished(module)
