"""A packed graph as an ONNX model, node for node. Packed tensors are bytes: the little-endian bytes of the words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, fx

import onebit
from onebit._errors import ConversionError
from onebit.export._chain_functions import NAMES, operators_of, write_chain
from onebit.export._chains import chains
from onebit.export._facts import Facts
from onebit.export._float_ops import WRITERS
from onebit.export._functions import IR_VERSION, OPSET, functions
from onebit.export._nodes import attributes, buffer, label, note, part, source, tensors
from onebit.export._operators import BY_TARGET, DOMAIN, DOMAIN_VERSION, Operator
from onebit.export._spec import InputSpec
from onebit.export._trace import Value, trace

INPUT, OUTPUT, BATCH = "input", "output", "N"
_VALUE = ".value"  # behind the name of a buffer
_ELEMENT = {
    torch.uint8: onnx.TensorProto.UINT8,
    torch.int8: onnx.TensorProto.INT8,
    torch.int32: onnx.TensorProto.INT32,
    torch.int64: onnx.TensorProto.INT64,
    torch.float32: onnx.TensorProto.FLOAT,
    torch.bool: onnx.TensorProto.BOOL,
}


def to_onnx(graph_module: fx.GraphModule, spec: InputSpec, facts: Facts | None = None) -> onnx.ModelProto:
    """The model; raises ConversionError, naming the node, if something in the graph cannot be written."""
    writer = GraphWriter(graph_module, spec)
    found = _write_nodes(writer, graph_module)
    bodies = [node for function in found for node in function.node]
    used = {node.op_type for node in (*writer.nodes, *bodies) if node.domain == DOMAIN} - {*NAMES}
    model = helper.make_model(
        writer.graph(),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        ir_version=IR_VERSION,
        functions=[*functions(used), *found],
        producer_name="onebit",
        producer_version=onebit.__version__,
    )
    about = {
        "onebit.version": onebit.__version__,
        "onebit.input": str(spec),
        "onebit.operators": " ".join(sorted(used)),
        "onebit.chains": json.dumps({function.name: operators_of(function) for function in found}),
    }
    helper.set_model_props(model, about | (facts or Facts()).to_text())
    return model


def _write_nodes(writer: GraphWriter, module: fx.GraphModule) -> list[onnx.FunctionProto]:
    """All nodes, those of a chain as one; returns the chains' functions."""
    found = chains(module, writer.values)[: len(NAMES)]
    first = {chain.nodes[0]: index for index, chain in enumerate(found)}
    inside = {node for chain in found for node in chain.nodes}
    bodies = []
    for node in module.graph.nodes:
        if node in first:
            bodies.append(write_chain(writer, found[first[node]], NAMES[first[node]]))
        elif node.op == "call_function" and node not in inside:
            writer.write(node)
    return bodies


class GraphWriter:
    """Turns nodes of the packed graph into ONNX nodes, one for one, and their buffers into initializers."""

    def __init__(self, module: fx.GraphModule, spec: InputSpec) -> None:
        self.values = trace(module, spec)
        self.nodes: list[onnx.NodeProto] = []
        self._module, self._spec = module, spec
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._result = next(source(node) for node in module.graph.nodes if node.op == "output")

    def write(self, node: fx.Node) -> None:
        """One call_function node; a part of another's results is written with that one."""
        if part(node) is not None:
            return
        operator = BY_TARGET.get(str(node.target))
        if operator is None:
            WRITERS[str(node.target)](self, node)
        else:
            self._write_operator(node, operator)

    def apart(self, nodes: Sequence[fx.Node]) -> tuple[list[onnx.NodeProto], dict[str, onnx.TensorProto]]:
        """ONNX nodes for these, not added to the graph, and the initializers that are of no buffer but their own."""
        before, known = len(self.nodes), {*self._initializers}
        for node in nodes:
            if node.op == "call_function":
                self.write(node)
        made, read = self.nodes[before:], {name for node in self.nodes[before:] for name in node.input}
        own = {name: value for name, value in self._initializers.items() if name in read and not _is_buffer(name)}
        del self.nodes[before:]
        self._initializers = {n: v for n, v in self._initializers.items() if n in known or n not in own}
        return made, own

    def name(self, node: fx.Node) -> str:
        """The ONNX name of a node's (first) value. fx names hold no dot, so the names made here cannot meet one."""
        if node.op == "get_attr":
            return self._initializer(f"{node.target}{_VALUE}", buffer(self._module, node))
        found = part(node)
        if found is not None:
            return self._parts(found[0])[found[1]]
        operator = BY_TARGET.get(str(node.target))
        if operator is not None and len(operator.outputs) > 1:
            return self._parts(node)[0]
        return INPUT if node.op == "placeholder" else OUTPUT if node is self._result else f"{node.name}.out"

    def add(self, node: fx.Node, op_type: str, inputs: list[str], domain: str = "", **attributes: Any) -> None:
        """Appends the ONNX node of an fx node."""
        operator = BY_TARGET.get(str(node.target))
        outputs = self._parts(node) if operator is not None and len(operator.outputs) > 1 else [self.name(node)]
        self.nodes.append(
            helper.make_node(
                op_type, inputs, outputs, name=label(node), doc_string=note(node), domain=domain, **attributes
            )
        )

    def constant(self, node: fx.Node, role: str, value: Tensor) -> str:
        """An initializer of this node's own; returns its name."""
        return self._initializer(f"{node.name}.{role}", value)

    def scalar(self, node: fx.Node, role: str, value: Any) -> str:
        """A number as a float32 initializer; "" for None, which is how ONNX leaves an input out."""
        if value is None:
            return ""
        if not isinstance(value, int | float):
            raise ConversionError(f"{label(node)} ({node.target}): {role} is {value!r}; expected a number.")
        return self.constant(node, role, torch.tensor(float(value), dtype=torch.float32))

    def float_operand(self, node: fx.Node, index: int) -> str:
        """Argument `index`, a float32 tensor or a number: ONNX has no implicit conversion between dtypes."""
        found = node.args[index]
        if not isinstance(found, fx.Node):
            return self.scalar(node, f"argument{index}", found)
        dtype = buffer(self._module, found).dtype if found.op == "get_attr" else self.values[found.name].dtype
        if dtype != torch.float32:
            raise ConversionError(f"{label(node)} ({node.target}): takes {dtype}; convert it to float32 before.")
        return self.name(found)

    def element_type(self, dtype: torch.dtype) -> int:
        """ONNX's number for a dtype."""
        return int(_ELEMENT[dtype])

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """The shape of a node's value in the file, without the batch."""
        return wire(self.values[node.name])[1]

    def graph(self) -> onnx.GraphProto:
        """The finished graph, with shapes on every edge."""
        calls = [n for n in self._module.graph.nodes if n.op == "call_function" and n is not self._result]
        given = {name for node in self.nodes for name in node.output}
        inner = {name: n for n in calls if n.name in self.values and (name := self.name(n)) in given}
        dims = [BATCH if size is None else size for size in self._spec.shape]
        return helper.make_graph(
            self.nodes,
            "packed",
            [helper.make_tensor_value_info(INPUT, _ELEMENT[self._spec.dtype], dims)],
            [self._info(self._result)],
            initializer=list(self._initializers.values()),
            value_info=[self._info(node) for name, node in inner.items() if name != OUTPUT],
            doc_string=f"A Binarized Neural Network with packed weights; takes {self._spec}, N is the batch.",
        )

    def _parts(self, node: fx.Node) -> list[str]:
        """The ONNX names of a node's several results."""
        names = BY_TARGET[str(node.target)].outputs
        end = part(self._result)
        last = end[1] if end is not None and end[0] is node else None
        return [OUTPUT if i == last else f"{node.name}.{name if i else 'out'}" for i, name in enumerate(names)]

    def _write_operator(self, node: fx.Node, operator: Operator) -> None:
        sizes = attributes(node, operator)
        inputs = [self.name(source(node))]
        if operator.has_weights:
            handle = source(node, 1)
            inputs.append(self._initializer(f"{handle.target}{_VALUE}", buffer(self._module, handle)))
        exact, constants = tensors(node, operator)
        for role, constant in zip(exact.constants, constants, strict=True):
            if role == "residual":
                inputs.append(self.name(constant))
                continue
            words = role == "minimum"
            value = buffer(self._module, constant)
            inputs.append(self._initializer(f"{constant.target}{_VALUE}", value.view(torch.uint8) if words else value))
        self.add(node, exact.onnx_name, inputs, DOMAIN, **sizes)

    def _initializer(self, name: str, value: Tensor) -> str:
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(value.cpu().contiguous().numpy(), name)
        return name

    def _info(self, node: fx.Node) -> onnx.ValueInfoProto:
        element, shape = wire(self.values[node.name])
        return helper.make_tensor_value_info(self.name(node), element, [BATCH, *shape])


def _is_buffer(name: str) -> bool:
    return name.endswith(_VALUE)


def wire(value: Value) -> tuple[int, tuple[int, ...]]:
    """Element type and shape in the file: packed words are 8 bytes each."""
    if value.bits is None:
        return int(_ELEMENT[value.dtype]), value.shape
    return int(onnx.TensorProto.UINT8), (*value.shape[:-1], 8 * value.shape[-1])
