"""Lowering: all passes in order, from a captured float graph to a packed one."""

from __future__ import annotations

from torch import fx

from onebit.conversion import passes
from onebit.conversion._layer import Layer, layer_of


def lower(captured: fx.GraphModule) -> fx.GraphModule:
    """The packed graph of a captured one. PACKING is repeated until no layer is new: a sign that was found by running
    a chain makes the next product binary. Dense nodes carry their Layer.
    """
    module = captured
    for step in (*passes.CLEANING, *passes.RECOGNITION):
        module = step(module)
    known = -1
    while known != (known := len(layers_of(module))):
        for step in passes.PACKING:
            module = step(module)
    for step in passes.FINISHING:
        module = step(module)
    return module


def layers_of(module: fx.GraphModule) -> list[Layer]:
    """The layers of a lowered graph, in the order they run."""
    return [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
