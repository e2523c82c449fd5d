"""convert: capture, passes, packed model, proof on the example."""

from __future__ import annotations

from torch import Tensor, fx, nn

from onebit._errors import ConversionError
from onebit.conversion._capture import capture
from onebit.conversion._lower import layers_of, lower
from onebit.conversion._verify import compare
from onebit.runtime import InputSpec, PackedModel


def convert(model: nn.Module, example: Tensor) -> PackedModel:
    """The packed network of a trained model: binary layers on 1-bit arithmetic, the rest as float operators.

    model: any torch.nn.Module in float32 on the CPU that maps one tensor to one tensor; it is captured in evaluation
    mode and left as it was. example: (N, ...) uint8 pixels 0..255, int8 values -128..127 or float32; real inputs make
    the proof worth more.

    Layers whose weights are -1 and +1 (up to a scale per output) and whose inputs are signs or affine functions of
    the bytes become binary, whoever wrote them; `PackedModel.explain()` says of every layer what it became, or why
    it stayed float. Raises ConversionError if the model cannot be captured, holds an operator that the runtime lacks,
    or if the packed network disagrees with it on the example (see `verify`).
    """
    captured = capture(model, example)
    lowered = lower(captured)
    packed = _packed(model, lowered, InputSpec((None, *example.shape[1:]), example.dtype))
    report = compare(model, captured, layers_of(lowered), packed, example)
    if not report.ok:
        raise ConversionError(
            f"The packed network disagrees with {type(model).__name__} on the example, so it is not returned:\n{report}"
        )
    return packed


def _packed(model: nn.Module, lowered: fx.GraphModule, spec: InputSpec) -> PackedModel:
    try:
        return PackedModel(_bare(lowered), spec)
    except ConversionError as error:
        described = [node.meta["onebit"] for node in lowered.graph.nodes if "onebit" in node.meta]
        reasons = [f"{one['name']} {one['note']}. " for one in described if one["note"].startswith("stays float")]
        reasons += [f"{node.name}: {node.meta['refused']}. " for node in lowered.graph.nodes if "refused" in node.meta]
        raise ConversionError(
            f"{type(model).__name__} holds an operator that packed networks lack. {''.join(reasons)}Convert the "
            f"model without it and apply it to the packed network's output, as goes for softmax. {error}"
        ) from error


def _bare(module: fx.GraphModule) -> fx.GraphModule:
    """The graph alone: no captured values in the metadata, and no tensor shared with the model."""
    graph = fx.Graph()
    graph.output(graph.graph_copy(module.graph, {}))
    for node in graph.nodes:
        node.meta = {"onebit": node.meta["onebit"]} if "onebit" in node.meta else {}
    bare = fx.GraphModule(module, graph)
    for owner in bare.modules():
        for name, tensor in [*owner.named_buffers(recurse=False)]:
            setattr(owner, name, tensor.clone())
    return bare
