"""Reading a torch.fx graph: the tensor behind a node, the node behind an argument, the name a person knows."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from torch import Tensor, fx, nn

from onebit._errors import ConversionError
from onebit.export._operators import LISTS, Operator


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


def integers(node: fx.Node, index: int, count: int) -> list[int]:
    """Argument `index` as a list of `count` integers; ConversionError if it is anything else."""
    found = node.args[index] if index < len(node.args) else None
    if not isinstance(found, list | tuple) or len(found) != count or not all(isinstance(v, int) for v in found):
        raise ConversionError(
            f"{label(node)} ({node.target}): argument {index} is {found!r}; expected {count} integers."
        )
    return [value for value in found if isinstance(value, int)]


def attributes(node: fx.Node, operator: Operator) -> dict[str, Any]:
    """The integers and lists of integers that a node of this operator has, by name."""
    found: dict[str, Any] = {}
    for index, name in enumerate(operator.attributes, operator.first_attribute):
        found[name] = integers(node, index, LISTS[name]) if name in LISTS else integer(node, index)
    return found


def buffer(module: nn.Module, node: fx.Node) -> Tensor:
    """The tensor that a get_attr node reads; ConversionError if there is none."""
    if node.op != "get_attr":
        raise ConversionError(f"{label(node)}: is computed; expected a buffer of the module.")
    try:
        found = attrgetter(str(node.target))(module)
    except AttributeError as error:
        raise ConversionError(f"The graph reads {node.target!r}, which the module does not have.") from error
    if not isinstance(found, Tensor):
        raise ConversionError(f"The graph reads {node.target!r}, a {type(found).__name__}; expected a tensor.")
    return found.detach()
