"""An ONNX file's bytes -> packed graph. Messages state the fact; the public call adds the file's name."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from operator import getitem
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, fx, nn

from onebit._errors import FormatError, OptionError
from onebit.export import Facts
from onebit.export._chain_functions import NETWORK
from onebit.export._chains import describe
from onebit.export._functions import OPSET
from onebit.export._operators import BY_ONNX_NAME, DOMAIN, DOMAIN_VERSION, LISTS, Operator
from onebit.export._spec import InputSpec
from onebit.ops._network import described
from onebit.runtime import _float_nodes, _tensors
from onebit.runtime._inlined import check_functions, inlined, is_chain
from onebit.runtime._model import PackedModel

_SIGNS = ("float_threshold", "direction")
_INPUT_DTYPES = {
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.FLOAT: torch.float32,
}


def rebuild(data: bytes) -> PackedModel:
    """The packed model; raises FormatError or another OnebitError with the fact that is wrong."""
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own DecodeError, or onnx's complaint about the text
        raise FormatError(f"is not an ONNX file, or is truncated ({len(data):,} bytes read).") from error
    _check_versions(model, len(data))
    check_functions(model)
    packed = _Rebuilder(model).build()
    packed.facts = Facts.from_text({entry.key: entry.value for entry in model.metadata_props})
    try:
        packed.facts.check(packed.outputs)
    except OptionError as error:
        raise FormatError(f"has damaged metadata: {error}") from error
    return packed


def _check_versions(model: onnx.ModelProto, size: int) -> None:
    if not model.graph.node and not model.opset_import:
        raise FormatError(f"holds no ONNX graph: it is empty, truncated or of another kind ({size:,} bytes read).")
    versions = {opset.domain: opset.version for opset in model.opset_import}
    if DOMAIN not in versions:
        maker = model.producer_name or "an unnamed program"
        raise FormatError(
            f"is an ONNX file by {maker} without operators of domain {DOMAIN!r}, or is truncated. "
            "onebit.load reads what PackedModel.save wrote; convert the trained network with onebit.convert."
        )
    if versions[DOMAIN] != DOMAIN_VERSION:
        raise FormatError(
            f"uses version {versions[DOMAIN]} of domain {DOMAIN!r}; this onebit knows version {DOMAIN_VERSION}. "
            "Save it again with this version, or update onebit."
        )
    if versions.get("") != OPSET:
        raise FormatError(f"uses ONNX opset {versions.get('')}; onebit writes opset {OPSET}.")


class _Rebuilder:
    """Makes an fx node for each ONNX node; what an ONNX name stands for is in `_found`."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model, self._onnx = model, model.graph
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._found: dict[str, fx.Node] = {}
        self._packed: set[fx.Node] = set()  # those that give packed words: bytes in the file, int64 here
        self._constants: dict[str, Tensor] = {}
        self._handles: dict[tuple[str, ...], fx.Node] = {}
        self._chains: dict[str, list[fx.Node]] = {}

    def build(self) -> PackedModel:
        for tensor in self._onnx.initializer:
            if tensor.name in self._constants:
                raise FormatError(f"has two initializers called {tensor.name!r}.")
            self._constants[tensor.name] = _tensors.read(tensor)
        spec = self._read_input()
        for node, chain in inlined(self._model):
            if node.op_type == "Constant" and chain:
                self._constants[node.output[0]] = _tensors.read(node.attribute[0].t)
            else:
                self._read_node(node, chain)
        if len(self._onnx.output) != 1 or self._onnx.output[0].name not in self._found:
            raise FormatError(f"has outputs {[o.name for o in self._onnx.output]}; expected one that a node computes.")
        self._graph.output(self._found[self._onnx.output[0].name])
        module = fx.GraphModule(self._root, self._graph, "PackedGraph")
        packed = PackedModel(module, spec)
        self._check_chains(packed)
        return packed

    def _check_chains(self, packed: PackedModel) -> None:
        """What a chain's node tells the library is what its definition does."""
        for node in filter(is_chain, self._onnx.node):
            said = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            network = describe(packed.graph_module, packed.values, self._chains.get(node.op_type, [])).network
            if network is None or said != {NETWORK: described(network)}:
                raise FormatError(
                    f"node {_label(node)} tells the library other steps than its definition has. The file is damaged."
                )

    def _read_input(self) -> InputSpec:
        inputs = [value for value in self._onnx.input if value.name not in self._constants]
        if len(inputs) != 1 or not inputs[0].type.HasField("tensor_type"):
            raise FormatError(f"has inputs {[value.name for value in inputs]}; expected one tensor.")
        kind = inputs[0].type.tensor_type
        if kind.elem_type not in _INPUT_DTYPES:
            raise FormatError(f"takes ONNX element type {kind.elem_type}; expected uint8, int8 or float32.")
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
        self._found[inputs[0].name] = self._graph.placeholder("x")
        return InputSpec(tuple(sizes), _INPUT_DTYPES[kind.elem_type])

    def _read_node(self, node: onnx.NodeProto, chain: str) -> None:
        operator = BY_ONNX_NAME.get(node.op_type) if node.domain == DOMAIN else None
        count, names = len(operator.outputs) if operator else 1, {*node.output} - {*self._found, ""}
        if node.domain not in ("", DOMAIN) or not count == len(node.output) == len(names):
            raise FormatError(f"node {_label(node)} is not one that onebit writes (outputs {list(node.output)}).")
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.domain == DOMAIN:
            target, arguments = self._read_operator(node, attributes)
        else:
            target, arguments = _float_nodes.read(node, attributes, self._argument)
            if node.op_type == "Reshape" and arguments[0] in self._packed:
                arguments = (arguments[0], _words_shape(node, arguments[1]))
        made = self._graph.create_node("call_function", target, arguments, name=_safe(_base(node)))
        made.meta["onebit"] = {"name": node.name or made.name, "note": node.doc_string}
        parts = [made] if count == 1 else [self._part(made, index) for index in range(count)]
        self._found |= zip(node.output, parts, strict=True)
        self._chains.setdefault(chain, []).extend(dict.fromkeys([made, *parts]))
        packed = node.op_type == "Reshape" and arguments[0] in self._packed
        packed |= node.op_type == "Concat" and all(one in self._packed for one in arguments[0])
        if packed or (operator is not None and operator.gives_words):
            self._packed.add(made)

    def _part(self, made: fx.Node, index: int) -> fx.Node:
        """One of a node's several results; the second is packed."""
        part = self._graph.call_function(getitem, (made, index))
        if index:
            self._packed.add(part)
        return part

    def _read_operator(self, node: onnx.NodeProto, sizes: dict[str, Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        operator = BY_ONNX_NAME.get(node.op_type)
        if operator is None:
            raise FormatError(f"node {_label(node)} has an unknown operator; known: {', '.join(BY_ONNX_NAME)}.")
        _check_sizes(node, operator, sizes)
        if len(node.input) != len(operator.inputs):
            raise FormatError(f"node {_label(node)} has inputs {list(node.input)}; expected {list(operator.inputs)}.")
        target = getattr(torch.ops.onebit, operator.torch_name).default
        arguments: list[Any] = [self._value(node, node.input[0])]
        if operator.has_weights:
            arguments.append(self._weights(node, operator, sizes))
        arguments += [sizes[name] for name in operator.attributes]
        found: dict[str, fx.Node] = {}
        for role, name in zip(operator.constants, node.input[operator.first_attribute :], strict=True):
            found[role] = self._vector(node, operator, role, name, sizes)
        return target, (*arguments, *(_with_lists(operator, found) if operator.has_steps else found.values()))

    def _value(self, node: onnx.NodeProto, name: str) -> fx.Node:
        if name not in self._found:
            raise FormatError(f"node {_label(node)} reads {name!r}, which nothing before it computes.")
        return self._found[name]

    def _constant(self, node: onnx.NodeProto, name: str) -> Tensor:
        if name not in self._constants:
            raise FormatError(f"node {_label(node)} needs the initializer {name!r}, which is missing.")
        return self._constants[name]

    def _argument(self, node: onnx.NodeProto, name: str, *, constant: bool = False) -> fx.Node | Tensor:
        """An input of a float node: a computed value, or an initializer (as its tensor if it must be constant)."""
        if constant:
            return self._constant(node, name)
        return self._found[name] if name in self._found else self._keep(name, self._constant(node, name))

    def _weights(self, node: onnx.NodeProto, operator: Operator, sizes: dict[str, Any]) -> fx.Node:
        name = node.input[1]
        what, n = f"node {_label(node)}: {name!r}", sizes["n"]
        key = (
            name,
            *(str(sizes[size]) for size in ("n", *(("k",) if operator.is_dense else ("c", "groups", "kernel")))),
        )
        if key not in self._handles:
            value = self._constant(node, name)
            if operator.is_dense:
                handle = _tensors.dense_handle(value, what, n, sizes["k"])
            else:
                handle = _tensors.conv_handle(value, what, n, sizes["c"], sizes["groups"], sizes["kernel"])
            self._handles[key] = self._keep(name, handle)
        return self._handles[key]

    def _vector(self, node: onnx.NodeProto, operator: Operator, role: str, name: str, sizes: dict[str, Any]) -> fx.Node:
        """A constant of one value for each channel (a pack's channels are those of its input), or the residual."""
        if role == "residual":
            return self._value(node, name)
        if role == "minimum":
            return self._minimum(node, name, sizes["c"])
        n = sizes["n"] if operator.has_weights else self._constant(node, name).numel()
        return self._channels(node, role, name, n)

    def _minimum(self, node: onnx.NodeProto, name: str, c: int) -> fx.Node:
        words = _tensors.words(self._constant(node, name), (), c, f"node {_label(node)}: {name!r}", f"c={c}")
        return self._found[name] if name in self._found else self._keep(name, words)

    def _channels(self, node: onnx.NodeProto, role: str, name: str, n: int) -> fx.Node:
        value = self._constant(node, name)
        _tensors.check_channels(value, role, n, f"node {_label(node)}: {name!r}")
        return self._found[name] if name in self._found else self._keep(name, value)

    def _keep(self, name: str, value: Tensor) -> fx.Node:
        """A buffer with this value and the node that reads it, made before the node that is being read."""
        attribute = _safe(name.removesuffix(".value"))
        while hasattr(self._root, attribute) or hasattr(fx.GraphModule, attribute):
            attribute += "_"
        self._root.register_buffer(attribute, value)
        made = self._graph.get_attr(attribute)
        if value.dtype != torch.uint8:
            self._found[name] = made
        return made


def _with_lists(operator: Operator, found: dict[str, fx.Node]) -> tuple[Any, ...]:
    """The arguments behind the sizes of an operator with steps: lists stand for what a sequence of steps may lack."""
    activation = [found[name] for name in ("slope", "low", "high") if name in found]
    residual, signs = ([found[name] for name in names if name in found] for names in (("residual",), _SIGNS))
    last = len(operator.steps) > 1 and operator.steps[-1] == "add"
    return found["scale"], found["bias"], activation, residual, last, *signs


def _check_sizes(node: onnx.NodeProto, operator: Operator, sizes: dict[str, Any]) -> None:
    """The attributes are there and are integers; what values they may have is the operator's to say."""
    if set(sizes) != set(operator.attributes) or not all(_is_size(name, value) for name, value in sizes.items()):
        raise FormatError(
            f"node {_label(node)} has attributes {sizes}; expected positive integers {operator.attributes}."
        )


def _is_size(name: str, value: Any) -> bool:
    if name in LISTS:
        least = 0 if name == "padding" else 1
        return (
            isinstance(value, list)
            and len(value) == LISTS[name]
            and all(isinstance(v, int) and v >= least for v in value)
        )
    return isinstance(value, int) and (value > 0 or name in ("pad_value", "multiplier", "offset"))


def _words_shape(node: onnx.NodeProto, shape: list[int]) -> list[int]:
    """The shape of packed bytes as that of words."""
    if shape[-1] % 8:
        raise FormatError(f"node {_label(node)} cuts packed words apart: its shape {shape} is not in words of 8 bytes.")
    return [*shape[:-1], shape[-1] // 8]


def _base(node: onnx.NodeProto) -> str:
    """The name of the node that this one was written from: its results have it in front, but for the model's output."""
    found = [name.removesuffix(end) for name in node.output for end in (".out", ".signs") if name.endswith(end)]
    return str([*found, *node.output][0])


def _label(node: onnx.NodeProto) -> str:
    kind = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
    return f"{node.name or '(unnamed)'} ({kind})"


def _safe(name: str) -> str:
    """A Python identifier: names become attributes and variables of generated code, and a file may hold any text."""
    plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else "v_" + re.sub(r"\W", "_", name, flags=re.ASCII)
