"""The last pass: every layer gets its name and its reason, where PackedModel.explain finds them."""

from __future__ import annotations

from torch import fx

from onebit.conversion._graph import (
    PACK,
    PACK_NCHW,
    PACK_NCHW_THRESHOLD,
    PACK_THRESHOLD,
    UNPACK,
    aten,
    calls,
    copy_of,
    finished,
    layer_name,
)
from onebit.conversion._layer import layer_of

_PRODUCTS = (aten.linear.default, aten.matmul.default, aten.mm.default, aten.bmm.default, aten.addmm.default)
_CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.convolution.default)


def explain_layers(module: fx.GraphModule) -> fx.GraphModule:
    """Writes meta["onebit"] = {"name", "note"}; no node and no number changes."""
    module = copy_of(module)
    taken: dict[str, int] = {}
    for node in module.graph.nodes:
        if node.op == "call_function":
            name, note = _described(node)
            taken[name] = taken.get(name, 0) + 1
            name = name if taken[name] == 1 else f"{name}#{taken[name]}"
            node.meta["onebit"] = {"name": name, "note": note}
    return finished(module)


def _described(node: fx.Node) -> tuple[str, str]:
    layer = layer_of(node)
    if layer is not None:
        return layer.name, layer.note
    if calls(node, *_PRODUCTS):
        weight = node.args[1] if isinstance(node.args[1], fx.Node) and node.args[1].op == "get_attr" else None
        return layer_name(node, weight), f"stays float: {node.meta.get('why', 'its weights are not constant')}"
    if calls(node, *_CONVOLUTIONS):
        why = node.meta.get("why", "only convolutions of (N, C, L) and (N, C, H, W) are packed")
        return layer_name(node), f"stays float: {why}"
    if "pool" in node.meta:
        return layer_name(node), node.meta["pool"]
    if calls(node, PACK, PACK_NCHW):
        return f"{node.name}", "signs of float values"
    if calls(node, PACK_THRESHOLD, PACK_NCHW_THRESHOLD):
        return f"{node.name}", "signs of float values, with what stood in front of them in its thresholds"
    if calls(node, UNPACK):
        return f"{node.name}", "its signs are used as numbers"
    return layer_name(node), ""
