"""Flattening moves behind the elementwise operators that follow it, so that they see channels."""

from __future__ import annotations

from torch import Tensor, fx

from onebit.conversion._graph import aten, calls, constant, copy_of, dtype_of, elementwise, finished, replace, shape_of
from onebit.conversion._pixels import BYTES


def delay_flatten(module: fx.GraphModule) -> fx.GraphModule:
    """g(reshape(x))  becomes  reshape(g(x)) for maps x (N, C, H, W) and elementwise g with scalar constants.

    Both apply g to every number and list the results in the same order. So a sign behind flatten is a sign of a map,
    whose channels are known, and the numbers of the reshape are the captured ones.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        sources = _flattened(module, node)
        if not sources:
            continue
        with module.graph.inserting_before(node):
            args = fx.node.map_arg(node.args, lambda n: n.args[0] if n in sources else n)  # noqa: B023  used at once
            early = module.graph.call_function(node.target, args, node.kwargs)
            early.meta = {key: value for key, value in node.meta.items() if key != "val"}
            value, map_ = node.meta.get("val"), sources[0].args[0].meta["val"]  # type: ignore[union-attr]
            if isinstance(value, Tensor):
                early.meta["val"] = map_.new_empty(map_.shape, dtype=value.dtype)
            late = module.graph.call_function(aten.reshape.default, (early, sources[0].args[1]))
        replace(node, late)
    return finished(module)


def _flattened(module: fx.GraphModule, node: fx.Node) -> list[fx.Node]:
    """The reshapes of maps of one shape that node reads, if node reads nothing else but scalars."""
    if not elementwise(node) or calls(node, aten.reshape.default):
        return []
    reshapes = [source for source in node.all_input_nodes if source.op != "get_attr"]
    constants = [constant(module, source) for source in node.all_input_nodes if source.op == "get_attr"]
    if not reshapes or any(value is None or value.numel() != 1 for value in constants):
        return []
    if not all(calls(source, aten.reshape.default) and shape_of(source) == shape_of(node) for source in reshapes):
        return []
    shapes = [shape_of(source.args[0]) for source in reshapes]
    fits = all(shape is not None and len(shape) == 4 and shape == shapes[0] for shape in shapes)
    return reshapes if fits and _floats(reshapes) else []


def _floats(reshapes: list[fx.Node]) -> bool:
    """False for raw bytes: their flattening stays where it is."""
    return all(dtype_of(reshape) not in BYTES for reshape in reshapes)
