"""Where a packed graph joins the bits of values along their channels, in one of two ways that a graph can say it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from onebit.export._nodes import attributes, sources
from onebit.export._operators import BY_TARGET, CONCATENATION
from onebit.export._trace import Value
from onebit.ops._network import MOST_JOINED

_PACK, _UNPACK = "onebit.pack.default", "onebit.unpack.default"


@dataclass(frozen=True, eq=False)
class Joint:
    """parts: the packed values that are joined, of so many bits each. nodes: all that says so, nothing else reads."""

    parts: tuple[fx.Node, ...]
    bits: tuple[int, ...]
    nodes: frozenset[fx.Node]


def find_joints(graph: fx.Graph, values: dict[str, Value]) -> dict[fx.Node, Joint]:
    """By the node that gives the joined words: cat of whole words, or pack(cat(unpack(a), unpack(b), ...))."""
    found = {}
    for node in graph.nodes:
        if str(node.target) == CONCATENATION and values[node.name].bits is not None:
            parts = tuple(sources(node))
            found[node] = Joint(parts, tuple(values[one.name].bits or 0 for one in parts), frozenset([node]))
        elif str(node.target) == _PACK and str(node.args[0].target) == CONCATENATION:
            joint = _through_numbers(node, values)
            if joint is not None:
                found[node] = joint
    return {end: joint for end, joint in found.items() if 2 <= len(joint.parts) <= MOST_JOINED}


def _through_numbers(pack: fx.Node, values: dict[str, Value]) -> Joint | None:
    joined = pack.all_input_nodes[0]
    rank = len(values[joined.name].shape) + 1
    signs = sources(joined)
    alone = {*joined.users} == {pack} and all({*one.users} == {joined} for one in signs)
    last = len(joined.args) > 1 and joined.args[1] in (-1, rank - 1)
    if not alone or not last or any(str(one.target) != _UNPACK for one in signs):
        return None
    bits = tuple(int(attributes(one, BY_TARGET[_UNPACK])["k"]) for one in signs)
    return Joint(tuple(one.all_input_nodes[0] for one in signs), bits, frozenset([pack, joined, *signs]))
