"""Which operators of a packed graph run in one call of the library: its chains, each described as an ops.Network."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from onebit.bits import words_for
from onebit.export._joints import Joint, find_joints
from onebit.export._nodes import attributes, buffer, integers, part, source, tensors
from onebit.export._operators import BY_TARGET, REGROUPING, Operator
from onebit.export._trace import Value
from onebit.ops._library import ConvCall, DenseCall, Epilogue, PackCall, Pair, PoolCall, Sides
from onebit.ops._network import ARRAYS, MOST_DIMS, MOST_ENDS, NONE, STEPS, TYPES, JoinCall, Network, Step, TransposeCall

_OUTPUTS = {"int32": 1, "float": 2, "bits": 3, "fused": 2, "both": 4}
_ACTIVATIONS = {"clamp": 1, "prelu": 2}
_CHANNELS_LAST, _CHANNELS_FIRST = 1, 2
_PERMUTATION = "aten.permute.default"


@dataclass
class Chain:
    """Neighbouring nodes of a graph that one network computes.

    nodes: those that it replaces. inputs, outputs: nodes in front of it that it reads, and its own that are read behind
    it. constants: the buffers, in the network's order; watched: which of them the network keeps tables of.
    next: the node that comes behind it and is not one that a network has; None where the graph ends.
    """

    nodes: list[fx.Node]
    inputs: list[fx.Node] = field(default_factory=list)
    outputs: list[fx.Node] = field(default_factory=list)
    constants: list[fx.Node] = field(default_factory=list)
    watched: list[int] = field(default_factory=list)
    network: Network | None = None
    next: fx.Node | None = None


def chains(module: fx.GraphModule, values: dict[str, Value]) -> list[Chain]:
    """The longest runs of operators that a network has, of two operators at least."""
    found, joints = [], find_joints(module.graph, values)
    runs = list(_runs(module.graph, values, joints))
    while cut := [joint for joint in joints.values() if not any({*nodes} >= joint.nodes for nodes, _ in runs)]:
        joints = {end: joint for end, joint in joints.items() if joint not in cut}
        runs = list(_runs(module.graph, values, joints))
    for nodes, behind in runs:
        if sum(str(node.target) in BY_TARGET for node in nodes) < 2:
            continue
        chain = _Builder(module, values, nodes, joints).build()
        chain.next = behind
        if len(chain.inputs) <= MOST_ENDS and len(chain.outputs) <= MOST_ENDS:
            found.append(chain)
    return found


def describe(module: fx.GraphModule, values: dict[str, Value], nodes: list[fx.Node]) -> Chain:
    """The chain of these nodes, which `chains` found in the graph once."""
    return _Builder(module, values, nodes, find_joints(module.graph, values)).build()


def _runs(
    graph: fx.Graph, values: dict[str, Value], joints: dict[fx.Node, Joint]
) -> Iterator[tuple[list[fx.Node], fx.Node | None]]:
    """Neighbours that belong to a network, and the node that ends them."""
    nodes: list[fx.Node] = []
    joined = {node for joint in joints.values() for node in joint.nodes}
    for node in graph.nodes:
        if node.op == "get_attr":
            continue
        if _belongs(node, values, nodes, joined):
            nodes.append(node)
        else:
            yield nodes, None if node.op == "output" else node
            nodes = []


def _belongs(node: fx.Node, values: dict[str, Value], before: list[fx.Node], joined: Collection[fx.Node]) -> bool:
    """Whether a network has the operator; what only regroups values, or takes one of two results, comes with it."""
    if node.op != "call_function" or len(values[node.name].shape) not in range(1, MOST_DIMS + 1):
        return False
    if node in joined:
        return True
    if str(node.target) == _PERMUTATION:
        return turned(node, values) is not None
    found, parted = BY_TARGET.get(str(node.target)), part(node)
    if parted is not None:
        return parted[0] in before
    if found is None:
        return str(node.target) in REGROUPING and values[node.name].dtype in TYPES
    return found.row != "unpack" and values[source(node).name].dtype in TYPES


def turned(node: fx.Node, values: dict[str, Value]) -> tuple[int, int] | None:
    """Rows and columns of a permutation that is a transposition of each example and whose users all run on it.

    Anywhere else it is a matter of strides to torch, and costs nothing.
    """
    given = values[source(node).name]
    rank = len(given.shape) + 1
    axes = [axis % rank for axis in integers(node, 1, rank)]
    first = axes[1] if rank > 2 else 0  # the axes from it on come to the front
    turn = [0, *range(first, rank), *range(1, first)]
    runs = all(
        found is not None and found.row != "unpack" for found in (BY_TARGET.get(str(u.target)) for u in node.users)
    )
    if first < 2 or axes != turn or given.dtype not in TYPES or given.bits is not None or not runs:
        return None
    return math.prod(given.shape[: first - 1]), math.prod(given.shape[first - 1 :])


def regrouped(node: fx.Node) -> fx.Node:
    """The node whose value this one is, in another shape: itself, if it does more."""
    while str(node.target) in REGROUPING:
        node = source(node)
    return node


class _Builder:
    """Numbers the values and constants of a chain, and writes its steps."""

    def __init__(
        self, module: nn.Module, values: dict[str, Value], nodes: list[fx.Node], joints: dict[fx.Node, Joint]
    ) -> None:
        self.module, self.values, self.inside = module, values, set(nodes)
        self.joints = {end: joint for end, joint in joints.items() if joint.nodes <= self.inside}
        self.joined = {node for joint in self.joints.values() for node in joint.nodes}
        self.chain = Chain(nodes)
        self.numbers: dict[fx.Node, int] = {}
        self.shapes: list[tuple[tuple[int, ...], torch.dtype]] = []
        self.steps: list[Step] = []
        self.turns: dict[tuple[int, int], int] = {}

    def build(self) -> Chain:
        """The chain with its network."""
        for node in self.chain.nodes:
            if node in self.joints:
                self.steps.append(self._join(node, self.joints[node]))
            elif node in self.joined:
                continue
            elif str(node.target) == _PERMUTATION:
                self._turn(node)
            elif str(node.target) in BY_TARGET:
                self.steps.append(self._step(node, BY_TARGET[str(node.target)]))
        own = dict.fromkeys([*self.chain.nodes, *self.numbers])
        read = [regrouped(node) for node in own if node not in self.chain.inputs and self._is_read_behind(node)]
        outputs = dict.fromkeys(node for node in read if node not in self.chain.inputs)
        self.chain.outputs = sorted(outputs, key=self.numbers.__getitem__)
        self.chain.network = Network(
            self.shapes,
            self.steps,
            [_bytes(buffer(self.module, node)) for node in self.chain.constants],
            [self.numbers[node] for node in self.chain.inputs],
            [self.numbers[node] for node in self.chain.outputs],
        )
        return self.chain

    def _is_read_behind(self, node: fx.Node) -> bool:
        """By anything but the nodes that take one of two results, which have numbers wherever they stand."""
        return any(user not in self.inside and user not in self.numbers for user in node.users)

    def _number(self, node: fx.Node) -> int:
        """Of the value that a node gives; new where nothing in the chain has given it: an input."""
        node = regrouped(node)
        if node not in self.numbers:
            self.chain.inputs.append(node)
            self._new(node, self.values[node.name])
        return self.numbers[node]

    def _new(self, node: fx.Node | None, value: Value) -> int:
        self.shapes.append((value.shape, value.dtype))
        if node is not None:
            self.numbers[node] = len(self.shapes) - 1
        return len(self.shapes) - 1

    def _constant(self, node: fx.Node) -> int:
        """Of the buffer that a node reads; several nodes may read one."""
        names = [str(one.target) for one in self.chain.constants]
        if str(node.target) not in names:
            self.chain.constants.append(node)
            return len(names)
        return names.index(str(node.target))

    def _step(self, node: fx.Node, operator: Operator) -> Step:
        sizes = attributes(node, operator)
        exact, arrays = tensors(node, operator)
        step = self._new_step(operator.family, source(node))
        if operator.has_weights:
            step.arrays[ARRAYS.index("weights")] = self._constant(source(node, 1))
            if operator.is_conv or operator.is_s8:
                self.chain.watched.append(self._constant(source(node, 1)))
            step.epilogue = Epilogue(output=_OUTPUTS[operator.output], activation=_activation(exact))
            step.epilogue.residual_last = int(exact.steps[-1:] == ("add",) and len(exact.steps) > 1)
        for name, array in zip(exact.constants, arrays, strict=True):
            if name == "residual":
                step.residual = self._number(array)
            else:
                step.arrays[ARRAYS.index(name)] = self._constant(array)
        self._call(node, operator, sizes, step)
        self._give(node, step, two=len(exact.outputs) > 1)
        return step

    def _new_step(self, name: str, given: fx.Node) -> Step:
        step = Step(op=STEPS[name], x=self._number(given), bits=NONE, residual=NONE)
        step.arrays = type(step.arrays)(*[NONE] * len(ARRAYS))
        return step

    def _turn(self, node: fx.Node) -> None:
        """One step for all that turn a value in the same way."""
        rows, columns = turned(node, self.values) or (0, 0)
        what = (self._number(source(node)), rows)
        if what not in self.turns:
            step = self._new_step("transpose", source(node))
            step.call.transpose = TransposeCall(rows, columns, TYPES[self.values[node.name].dtype])
            step.out = self.turns[what] = self._new(node, self.values[node.name])
            self.steps.append(step)
        self.numbers[node] = self.turns[what]

    def _join(self, node: fx.Node, joint: Joint) -> Step:
        step, call = self._new_step("join", joint.parts[0]), JoinCall(self.values[node.name].rows, len(joint.parts))
        for index, (given, count) in enumerate(zip(joint.parts, joint.bits, strict=True)):
            call.bits[index], call.parts[index] = count, self._number(given)
        step.call.join, step.out = call, self._new(node, self.values[node.name])
        return step

    def _call(self, node: fx.Node, operator: Operator, sizes: dict[str, Any], step: Step) -> None:
        """The sizes of one example."""
        given = self.values[source(node).name]
        if operator.row == "pack":
            step.call.pack = _pack(given, first=operator.is_nchw)
        elif operator.is_dense:
            step.call.dense = DenseCall(m=given.rows, n=sizes["n"], k=sizes["k"])
        elif operator.is_conv:
            step.call.conv2d = _conv2d(given, sizes)
        else:
            height, width, _ = given.shape
            step.call.max_pool2d = PoolCall(batch=1, height=height, width=width, c=sizes["c"], **_window(sizes))

    def _give(self, node: fx.Node, step: Step, *, two: bool) -> None:
        """Numbers for what the step gives; a result that nobody takes has one too."""
        value = self.values[node.name]
        if not two:
            step.out = self._new(node, value)
            return
        words = Value((*value.shape[:-1], words_for(value.shape[-1])), torch.int64)
        step.out, step.bits = self._new(None, value), self._new(None, words)
        for user in node.users:
            taken = part(user)
            if taken is not None:
                self.numbers[user] = step.bits if taken[1] else step.out


def _pack(given: Value, *, first: bool) -> PackCall:
    if first:
        channels, *places = given.shape
        return PackCall(batch=1, places=math.prod(places), c=channels, type=TYPES[given.dtype], layout=_CHANNELS_FIRST)
    return PackCall(batch=given.rows, places=1, c=given.shape[-1], type=TYPES[given.dtype], layout=_CHANNELS_LAST)


def _conv2d(given: Value, sizes: dict[str, Any]) -> ConvCall:
    height, width, _ = given.shape
    names = ("c", "n", "groups", "pad_value", "multiplier", "offset")
    rest: dict[str, Any] = {"multiplier": 1, **{name: sizes[name] for name in names if name in sizes}}
    return ConvCall(batch=1, height=height, width=width, dilation=Pair(*sizes["dilation"]), **rest, **_window(sizes))


def _window(sizes: dict[str, Any]) -> dict[str, Any]:
    return {
        "kernel": Pair(*sizes["kernel"]),
        "stride": Pair(*sizes["stride"]),
        "padding": Sides(*sizes["padding"]),
    }


def _activation(operator: Operator) -> int:
    return next((_ACTIVATIONS[step] for step in operator.steps if step in _ACTIVATIONS), 0)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
