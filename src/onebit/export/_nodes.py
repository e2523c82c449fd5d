"""Reading a torch.fx graph: the tensor behind a node, the node behind an argument, the name a person knows."""

from __future__ import annotations

from operator import attrgetter, getitem
from typing import Any

from torch import Tensor, fx, nn

from onebit._errors import ConversionError
from onebit.export._operators import BY_STEPS, BY_TARGET, LISTS, STEP_OPERANDS, Operator


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


def sources(node: fx.Node) -> list[fx.Node]:
    """The nodes in the list that is argument 0; ConversionError for anything else."""
    found = node.args[0] if node.args else None
    nodes = [one for one in found if isinstance(one, fx.Node)] if isinstance(found, list | tuple) else []
    if not nodes or len(nodes) != len(found) or any(one.op == "get_attr" for one in nodes):  # type: ignore[arg-type]
        raise ConversionError(f"{label(node)} ({node.target}): joins {found!r}; expected a list of computed tensors.")
    return nodes


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


def part(node: fx.Node) -> tuple[fx.Node, int] | None:
    """The node with several results that this one takes one of, and which; None if node does something else."""
    if node.target is not getitem:
        return None
    whole, index = node.args[0], node.args[1]
    found = BY_TARGET.get(str(whole.target)) if isinstance(whole, fx.Node) else None
    if not isinstance(whole, fx.Node) or found is None or not isinstance(index, int) or index >= len(found.outputs):
        raise ConversionError(f"{label(node)}: takes part {index!r} of {whole!r}, which has no such part.")
    return whole, index


def tensors(node: fx.Node, operator: Operator) -> tuple[Operator, list[fx.Node]]:
    """The operator with the steps of this node, and the nodes of its `constants`; ConversionError for others."""
    first = operator.first_constant
    if not operator.has_steps:
        return operator, [source(node, first + index) for index in range(len(operator.constants))]
    activation, residual, last = (
        node.args[index] if index < len(node.args) else None for index in range(first + 2, first + 5)
    )
    if not isinstance(activation, list | tuple) or not isinstance(residual, list | tuple):
        raise ConversionError(
            f"{label(node)} ({node.target}): its steps are {activation!r}, {residual!r}; expected lists."
        )
    acts = {0: (), 1: ("prelu",), 2: ("clamp",)}.get(len(activation), ("?",))
    adds = ("add",) * len(residual)
    exact = BY_STEPS.get((operator.target, (*acts, *adds) if last else (*adds, *acts)))
    if exact is None:
        raise ConversionError(
            f"{label(node)} ({node.target}): has {len(activation)} activation and {len(residual)} residual tensors; "
            f"expected steps of {', '.join(STEP_OPERANDS)}, or the float operator for none."
        )
    lists = (*residual, *activation) if not last else (*activation, *residual)
    found = [source(node, first), source(node, first + 1), *(given for given in lists if isinstance(given, fx.Node))]
    return exact, found + [source(node, index) for index in range(first + 5, len(node.args))]


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
