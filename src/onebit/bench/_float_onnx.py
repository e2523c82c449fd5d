"""The float network of a workload as an ONNX model with fixed sizes, for the peers that read one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from onebit.bench._workload import Centre, Sign, Workload

OPSET, IR = 17, 8


def float_onnx(workload: Workload) -> bytes:
    """The network as the bytes of an .onnx file; input "x", output "y"."""
    from onnx import TensorProto, helper

    nodes: list[Any] = []
    constants: list[Any] = []
    value = "x"
    last = len(workload.network) - 1
    for place, module in enumerate(workload.network):
        result = "y" if place == last else f"v{place}"
        nodes += _nodes(module, value, result, place, constants)
        value = result
    with torch.inference_mode():
        shape = tuple(workload.network(workload.x).shape)
    kind = TensorProto.UINT8 if workload.x.dtype == torch.uint8 else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", kind, tuple(workload.x.shape))]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "float", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", OPSET)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=IR).SerializeToString()
    return data


def _nodes(module: nn.Module, x: str, y: str, place: int, constants: list[Any]) -> list[Any]:
    """The nodes of one module, from the value called x to the value called y; its numbers go to `constants`."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(role: str, value: Tensor) -> str:
        constants.append(numpy_helper.from_array(value.detach().contiguous().numpy(), f"{role}{place}"))
        return f"{role}{place}"

    if isinstance(module, nn.Linear):
        weight = constant("weight", module.weight.t())
        if module.bias is None:
            return [helper.make_node("MatMul", [x, weight], [y])]
        return [helper.make_node("Gemm", [x, weight, constant("bias", module.bias)], [y])]
    if isinstance(module, nn.Conv2d):
        pads = [int(side) for side in module.padding] * 2
        terms = [constant("weight", module.weight)] + ([] if module.bias is None else [constant("bias", module.bias)])
        return [helper.make_node("Conv", [x, *terms], [y], pads=pads)]
    if isinstance(module, nn.MaxPool2d):
        sides = [module.kernel_size] * 2
        return [helper.make_node("MaxPool", [x], [y], kernel_shape=sides, strides=sides)]
    if isinstance(module, nn.Flatten):
        return [helper.make_node("Flatten", [x], [y])]
    if isinstance(module, Centre):
        two, offset = constant("two", module.two), constant("offset", torch.tensor(255.0))
        return [
            helper.make_node("Cast", [x], [f"cast{place}"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"cast{place}", two], [f"twice{place}"]),
            helper.make_node("Sub", [f"twice{place}", offset], [y]),
        ]
    if isinstance(module, Sign | nn.ReLU):
        return [helper.make_node("Sign" if isinstance(module, Sign) else "Relu", [x], [y])]
    raise TypeError(f"float_onnx: no nodes for {type(module).__name__}")
