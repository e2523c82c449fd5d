"""The nodes of an ONNX file with its chains opened: each node of a chain is replaced by those of its function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import onnx

from onebit._errors import FormatError
from onebit.export._chain_functions import NAMES
from onebit.export._operators import DOMAIN


def is_chain(node: onnx.NodeProto) -> bool:
    """True for a node that stands for a chain."""
    return node.domain == DOMAIN and node.op_type in NAMES


def check_functions(model: onnx.ModelProto) -> None:
    """Every operator that is used has its definition; the definitions stand last, so this finds a truncated file."""
    bodies = [node for function in model.functions if function.name in NAMES for node in function.node]
    used = {node.op_type for node in (*model.graph.node, *bodies) if node.domain == DOMAIN}
    defined = Counter(function.name for function in model.functions if function.domain == DOMAIN)
    if not used:
        raise FormatError(f"has no operator of domain {DOMAIN!r}: nothing in it is binary.")
    if defined != Counter(used) or len(model.functions) != len(used):
        raise FormatError(
            f"uses the operators {sorted(used)} but defines {sorted(defined)}; every used one must be defined once. "
            "The file is truncated or was changed."
        )
    twice = [
        name
        for name, count in Counter(node.op_type for node in model.graph.node if is_chain(node)).items()
        if count > 1
    ]
    if twice or any(is_chain(node) for node in bodies):
        raise FormatError(
            f"runs the chains {twice or 'inside of chains'} more than once; each stands in the graph once."
        )


def inlined(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    """Each node in its order, and the chain that it belongs to ("" if to none)."""
    functions = {function.name: function for function in model.functions if function.domain == DOMAIN}
    taken = {name for node in model.graph.node for name in node.output} | {t.name for t in model.graph.initializer}
    for node in model.graph.node:
        if is_chain(node):
            yield from ((inner, node.op_type) for inner in _opened(node, functions[node.op_type], taken))
        else:
            yield node, ""


def without_chains(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, operator by operator."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes = [node for node, _ in inlined(model)]
    kept = [function for function in model.functions if function.name not in NAMES]
    del made.graph.node[:], made.functions[:]
    made.graph.node.extend(nodes)
    made.functions.extend(kept)
    return made


def _opened(node: onnx.NodeProto, function: onnx.FunctionProto, taken: set[str]) -> list[onnx.NodeProto]:
    """The function's nodes on the values of the node; other names stay, but for those that the graph has, too."""
    ends = ((function.input, node.input), (function.output, node.output))
    if any(len(formal) != len(actual) for formal, actual in ends):
        raise FormatError(f"node {node.name} ({node.op_type}) has other inputs or outputs than its definition.")
    names = {inner: outer for formal, actual in ends for inner, outer in zip(formal, actual, strict=True)}
    made = []
    for inner in function.node:
        for name in inner.output:
            names.setdefault(name, f"{node.op_type}.{name}" if name in taken else name)
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        copy.input[:], copy.output[:] = (_renamed(found, names) for found in (inner.input, inner.output))
        made.append(copy)
    return made


def _renamed(found: Sequence[str], names: dict[str, str]) -> list[str]:
    return [names.get(name, name) for name in found]
