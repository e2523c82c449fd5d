"""The chains of a packed graph in ONNX: a node Chain1, Chain2, ... for each, whose function is the chain's operators.

libonebit has operators of these names and runs a chain in one call, told what to do by the attribute `network`; any
other runtime opens the function. So one file serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import helper
from torch import fx

from onebit.export._chains import Chain, regrouped
from onebit.export._functions import OPSET
from onebit.export._nodes import label
from onebit.export._operators import BY_TARGET, DOMAIN, DOMAIN_VERSION, REGROUPING
from onebit.ops._network import described

if TYPE_CHECKING:
    from onebit.export._onnx import GraphWriter

NAMES = tuple(f"Chain{number}" for number in range(1, 33))  # those of libonebit; further chains stay as they are
NETWORK = "network"


def write_chain(writer: GraphWriter, chain: Chain, name: str) -> onnx.FunctionProto:
    """Adds the chain's node, and those behind it that only regroup what it gives; returns its function."""
    nodes, constants = writer.apart([*_regroupings_before(chain), *chain.nodes])
    inputs = [writer.name(node) for node in (*chain.inputs, *chain.constants)]
    outputs = [writer.name(node) for node in chain.outputs]
    own = [helper.make_node("Constant", [], [key], value=value) for key, value in constants.items()]
    names = [label(node) for node in chain.nodes if str(node.target) in BY_TARGET]
    assert chain.network is not None
    writer.nodes.append(
        helper.make_node(
            name, inputs, outputs, f"{names[0]} to {names[-1]}", domain=DOMAIN, network=described(chain.network),
            doc_string=f"libonebit runs these {len(names)} operators in one call.",
        )
    )  # fmt: skip
    for node in chain.nodes:
        if str(node.target) in REGROUPING and any(user not in chain.nodes for user in node.users):
            writer.write(node)
    return helper.make_function(
        DOMAIN,
        name,
        inputs,
        outputs,
        _needed([*own, *nodes], outputs),
        [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        [NETWORK],
        doc_string=f"{', '.join(names)}: operator by operator what libonebit runs in one call.",
    )


def operators_of(function: onnx.FunctionProto) -> list[str]:
    """The names of the operators that a chain runs, each once."""
    return sorted({node.op_type for node in function.node if node.domain == DOMAIN})


def _regroupings_before(chain: Chain) -> list[fx.Node]:
    """What stands between the chain's inputs and those of its nodes that read them in another shape."""
    found: dict[fx.Node, None] = {}
    for node in chain.nodes:
        for given in node.all_input_nodes:
            path = []
            while given not in chain.nodes and regrouped(given) is not given:
                path.append(given)
                given = given.all_input_nodes[0]
            found |= dict.fromkeys(reversed(path))
    return list(found)


def _needed(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[onnx.NodeProto]:
    """Without standard operators whose values nobody reads."""
    read, kept = {*outputs}, []
    for node in reversed(nodes):
        if node.domain == DOMAIN or read & {*node.output}:
            kept.append(node)
            read |= {*node.input}
    return kept[::-1]
