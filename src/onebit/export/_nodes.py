"""Reading a torch.fx graph: the tensor behind a node, the node behind an argument, the name a person knows."""

from __future__ import annotations

import operator

from torch import Tensor, fx, nn

from onebit._errors import ConversionError


def label(node: fx.Node) -> str:
    """The name a person knows the node by: the module it came from, else its name in the graph."""
    return str(node.meta.get("onebit", {}).get("name") or node.name)


def note(node: fx.Node) -> str:
    """What conversion has to say about the node: how exact it is, or why it stayed float."""
    return str(node.meta.get("onebit", {}).get("note", ""))


def source(node: fx.Node, index: int = 0) -> fx.Node:
    """The node that gives argument `index`; ConversionError if it is a constant."""
    found = node.args[index] if index < len(node.args) else None
    if not isinstance(found, fx.Node):
        raise ConversionError(f"{label(node)} ({node.target}): argument {index} is {found!r}; expected a tensor.")
    return found


def integer(node: fx.Node, index: int) -> int:
    """Argument `index` as an integer; ConversionError if it is anything else."""
    found = node.args[index] if index < len(node.args) else None
    if not isinstance(found, int):
        raise ConversionError(f"{label(node)} ({node.target}): argument {index} is {found!r}; expected an integer.")
    return found


def buffer(module: nn.Module, node: fx.Node) -> Tensor:
    """The tensor that a get_attr node reads; ConversionError if there is none."""
    if node.op != "get_attr":
        raise ConversionError(f"{label(node)}: is computed; expected a buffer of the module.")
    try:
        found = operator.attrgetter(str(node.target))(module)
    except AttributeError as error:
        raise ConversionError(f"The graph reads {node.target!r}, which the module does not have.") from error
    if not isinstance(found, Tensor):
        raise ConversionError(f"The graph reads {node.target!r}, a {type(found).__name__}; expected a tensor.")
    return found.detach()
