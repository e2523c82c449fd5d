"""PackedModel: a converted network as an nn.Module. It runs and describes a packed graph, and knows not who made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from onebit.export import Facts, write_onnx
from onebit.export._nodes import attributes, buffer, label, note, source
from onebit.export._operators import BY_TARGET, Operator
from onebit.export._spec import InputSpec
from onebit.export._trace import Value, trace
from onebit.runtime._isa import cuda_kernels, gpu_of, isa_for
from onebit.runtime._joined import Joined
from onebit.runtime._table import one_call, render

if TYPE_CHECKING:
    from onebit.ops.cuda import Device

_FLOAT_LAYERS = ("aten.linear.default", "aten.conv2d.default")


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a packed model.

    name: where it was in the original network. operator: "dense_bits", ... or "linear" or "conv2d" if it stayed float.
    n, k: output channels and terms of each dot product (0 where there is none).
    bits_in, bits_out: "u8", "s8", "1", "i32", "f32", "f32+1".
    kernel: instruction set that would run it now, on a GPU "cuda" and its kernels, "torch" if float.
    macs: multiply-accumulates per example. weight_bytes: memory that the weights take here.
    note: how exact it is, or why it stayed float.
    """

    name: str
    operator: str
    n: int
    k: int
    bits_in: str
    bits_out: str
    kernel: str
    macs: int
    weight_bytes: int
    note: str


class PackedModel(nn.Module):
    """A network whose binary layers run on packed bits: y = f(x), x of `input_spec`, dimension 0 the free batch.

    graph_module: calls of torch.ops.onebit.* and of the float operators of onebit.export; its buffers hold the weights
    as pre-packed handles, 1 bit each. input_spec: shape and dtype of the one input. facts: class names and the like,
    which a file keeps; they may be set at any time (`packed.facts = Facts(classes=("cat", "dog"))`).
    Raises ConversionError if the graph holds anything else.
    """

    def __init__(self, graph_module: fx.GraphModule, input_spec: InputSpec, facts: Facts | None = None) -> None:
        super().__init__()
        self.values = trace(graph_module, input_spec)
        self.graph_module = graph_module
        self.input_spec = input_spec
        self.facts = facts or Facts()
        reads = [str(node.target) for node in graph_module.graph.nodes if node.op == "get_attr"]
        held = {*graph_module._buffers, *graph_module._parameters, *graph_module._modules}
        self._reads_what_it_holds = all(name.split(".")[0] in held for name in reads)
        self._joined: Joined | None = None  # made by the first call
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """The output for x; raises DtypeError or ShapeError if x is not of `input_spec`.

        On the CPU, operators that follow each other run in one call of the library (`chains` names them). The graph
        itself, `graph_module(x)`, runs them step by step, to the same numbers; so does this where something looks on:
        torch.compile and torch.export, a dispatch mode, tensors elsewhere.
        """
        self.input_spec.check(x)
        module = self._modules["graph_module"]  # nn.Module looks an attribute up three times before it looks here
        if self._runs_alone(x):
            return self._join(module)(module, x)  # type: ignore[arg-type]
        y: Tensor = module(x)  # type: ignore[misc]
        return y

    def chains(self) -> list[list[str]]:
        """The layers that run in one call of the library, by name; one list for each such call."""
        return self._join(self.graph_module).names() if self._reads_what_it_holds else []

    def calls(self) -> list[str]:
        """A sentence on each of `chains`: from where to where it goes, and why it ends there."""
        if not self._reads_what_it_holds:
            return []
        joined = self._join(self.graph_module)
        return [one_call(names, chain.next) for names, chain in zip(joined.names(), joined.chains, strict=True)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_joined": None}  # a network has a number in this process alone

    def _join(self, module: fx.GraphModule) -> Joined:
        """The graph's code with one call for each chain, made at the first call and whenever the graph is another."""
        found = self._joined
        if found is None or not found.is_of(module):
            self._joined = found = Joined(module, self.values)
        return found

    def _runs_alone(self, x: Tensor) -> bool:
        return (
            self._reads_what_it_holds
            and x.is_cpu
            and type(x) is Tensor
            and not torch.compiler.is_compiling()
            and not torch._C._len_torch_dispatch_stack()
        )

    def layers(self, batch: int = 1, device: torch.device | str | Device | None = None) -> list[LayerInfo]:
        """What each layer is, in the order they run; kernels are those that `batch` examples would run now.

        device: where, if not where the model is; onebit.ops.cuda.Device((9, 0), 132) names a GPU that is not here.
        """
        gpu = gpu_of(self._device if device is None else device)
        return [self._layer(node, batch, gpu) for node in self.graph_module.graph.nodes if _is_layer(node)]

    def explain(self, batch: int = 1, device: torch.device | str | Device | None = None) -> str:
        """The layers as a table of text, one line each, with the totals below, and what runs in one call on the CPU.

        batch and device: as `layers` has them.
        """
        calls = self.calls() if gpu_of(self._device if device is None else device) is None else []
        return "\n".join([render(self.layers(batch, device)), *calls])

    def kernels(self, batch: int = 1) -> dict[str, str]:
        """What would run `batch` examples now, where the model is, for each native operator: {"dense": "avx2", ...}.

        Where the shapes of its layers ask for different ones: "amx and avx512vpopcnt".
        """
        gpu = gpu_of(self._device)
        found: dict[str, dict[str, None]] = {}
        for node in self.graph_module.graph.nodes:
            operator = BY_TARGET.get(str(node.target))
            if operator is not None:
                found.setdefault(operator.row, {})[self._kernel(node, operator, batch, gpu)] = None
        return {row: " and ".join(found[row]) for row in sorted(found)}

    def save(self, path: str | Path) -> None:
        """Writes the model as an ONNX file that any ONNX Runtime runs, with its facts.

        Raises OutputError if it cannot be written, OptionError if the classes are not as many as the outputs.
        """
        self.facts.check(self.outputs)
        write_onnx(self.graph_module, self.input_spec, path, self.facts)

    @property
    def outputs(self) -> int:
        """How many numbers the output has for an example, along its last dimension."""
        result = next(source(node) for node in self.graph_module.graph.nodes if node.op == "output")
        return self.values[result.name].shape[-1] if self.values[result.name].shape else 1

    @property
    def _device(self) -> torch.device:
        return next((each.device for each in self.graph_module.buffers()), torch.device("cpu"))

    def _kernel(self, node: fx.Node, operator: Operator, batch: int, gpu: Device | None) -> str:
        given, result = self.values[source(node).name], self.values[node.name]
        sizes = attributes(node, operator)
        if gpu is not None:
            return cuda_kernels(operator, sizes, given, result, batch, gpu)
        return isa_for(operator, sizes, given, result, batch)

    def _layer(self, node: fx.Node, batch: int, gpu: Device | None) -> LayerInfo:
        found = BY_TARGET.get(str(node.target))
        given = next(self.values[n.name] for n in node.all_input_nodes if n.name in self.values)  # not a constant
        result = self.values[node.name]
        n, k, weight_bytes = self._sizes(node, found)
        return LayerInfo(
            name=label(node),
            operator=found.torch_name if found else str(node.target).split(".")[1],
            n=n,
            k=k,
            bits_in=_kind(given),
            bits_out=_kind(result) + ("+1" if found and len(found.outputs) > 1 else ""),
            kernel=self._kernel(node, found, batch, gpu) if found else "torch",
            macs=_places(node, result) * n * k,
            weight_bytes=weight_bytes,
            note=note(node),
        )

    def _sizes(self, node: fx.Node, found: Operator | None) -> tuple[int, int, int]:
        if not (found.has_weights if found is not None else str(node.target) in _FLOAT_LAYERS):
            return 0, 0, 0
        weights = buffer(self.graph_module, source(node, 1))
        n, k = terms(attributes(node, found)) if found else (weights.shape[0], weights[0].numel())
        return n, k, weights.numel() * weights.element_size()


def terms(sizes: dict[str, Any]) -> tuple[int, int]:
    """Output channels, and the terms of each of their sums: k, or taps * channels of a group."""
    if "k" in sizes:
        return sizes["n"], sizes["k"]
    return sizes["n"], sizes["kernel"][0] * sizes["kernel"][1] * (sizes["c"] // sizes["groups"])


def _places(node: fx.Node, result: Value) -> int:
    """Dot products of an example for each output channel, which a float convolution has in front."""
    return torch.Size(result.shape[1:]).numel() if str(node.target) == "aten.conv2d.default" else result.rows


def _is_layer(node: fx.Node) -> bool:
    """Binary operators, float layers, and whatever conversion left a note on."""
    if node.op != "call_function":
        return False
    return bool(note(node)) or str(node.target) in BY_TARGET or str(node.target) in _FLOAT_LAYERS


def _kind(value: Value) -> str:
    names = {torch.uint8: "u8", torch.int8: "s8", torch.int32: "i32", torch.int64: "i64", torch.float32: "f32"}
    return "1" if value.bits is not None else names.get(value.dtype, str(value.dtype).split(".")[1])
