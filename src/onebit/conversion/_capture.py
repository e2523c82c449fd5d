"""Capture: a model becomes a plain graph of torch operators with a free batch; the model itself stays as it was."""

from __future__ import annotations

import operator
import warnings
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, fx, nn

from onebit._errors import ConversionError
from onebit.conversion._lift import lift_sequences
from onebit.nn._evaluating import evaluating

_HALF = "call .float() on model and example; packed networks take float32."
_WIDE = "values that fit in a byte go in as .to(torch.uint8) or .to(torch.int8), others as .float()."
_HINTS = {
    **dict.fromkeys((torch.float16, torch.bfloat16, torch.float64), _HALF),
    **dict.fromkeys((torch.int16, torch.int32, torch.int64, torch.bool), _WIDE),
}
_LEAST_BATCH = 2  # torch.export takes a size of 0 or 1 for a constant


def capture(model: nn.Module, example: Tensor) -> fx.GraphModule:
    """The evaluation-mode graph of model: one placeholder, aten calls, one output; batch_norm and linear kept whole.
    Sequences (N, C, L) of convolutions and pools are maps of one row in it.

    example: (N, ...) with N >= 1; only its shape and dtype matter. Every node's meta["captured"] is its name.
    Raises ConversionError if the model is not float32 on the CPU, cannot be exported, or the graph computes
    other numbers than the model.
    """
    _check_model(model, example)
    rows = example.repeat(_LEAST_BATCH, *[1] * (example.ndim - 1))[: max(_LEAST_BATCH, len(example))]
    with evaluating(model):
        expected = _run(model, rows)
        module = _plain(_export(model, rows))
        _check_output(model, module(rows), expected)
    return lift_sequences(module)


def _check_model(model: nn.Module, example: Tensor) -> None:
    if not isinstance(model, nn.Module):
        raise ConversionError(f"convert takes a torch.nn.Module, got {type(model).__name__}; wrap functions in one.")
    if not isinstance(example, Tensor) or example.ndim < 2 or example.numel() == 0:
        got = f"shape {tuple(example.shape)}" if isinstance(example, Tensor) else type(example).__name__
        raise ConversionError(f"The example must be a tensor (N, ...) of at least one input; got {got}.")
    if example.dtype not in (torch.uint8, torch.int8, torch.float32):
        hint = _HINTS.get(example.dtype, "convert takes one tensor of these types.")
        raise ConversionError(
            f"The example has dtype {example.dtype}; expected torch.uint8 (raw 0..255 pixels), torch.int8 (signed "
            f"bytes, -128..127) or torch.float32: {hint}"
        )
    tensors = [*model.named_parameters(), *model.named_buffers(), ("the example", example)]
    for name, tensor in tensors:
        if tensor.device.type != "cpu":
            raise ConversionError(f"{name} is on {tensor.device}; conversion runs on the CPU: call .cpu() first.")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ConversionError(f"{name} has dtype {tensor.dtype}; expected torch.float32: call model.float() first.")


def _run(model: nn.Module, rows: Tensor) -> Tensor:
    result = model(rows)
    if not isinstance(result, Tensor) or result.ndim < 1 or result.shape[0] != len(rows):
        got = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
        raise ConversionError(
            f"{type(model).__name__} gives {got} for a batch of {len(rows)}; expected one tensor whose dim 0 is the "
            "batch. Wrap the model in a module that returns only its scores."
        )
    return result


def _export(model: nn.Module, rows: Tensor) -> fx.GraphModule:
    batch = torch.export.Dim("batch")
    try:
        with warnings.catch_warnings():  # torch warns about its own internals here
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (rows,), dynamic_shapes=({0: batch},), strict=False)
            exported = program.run_decompositions({}).module(check_guards=False)
    except Exception as error:  # whatever the model's own code raises under tracing
        where = _culprit(model, error.__traceback__)
        raise ConversionError(
            f"torch.export could not capture {where}: {_first_line(error)}. The forward must be made of tensor "
            "operations that do not depend on the values of tensors, for any batch size (write x.shape[0] or -1 for "
            "the batch)."
        ) from error
    if not isinstance(exported, fx.GraphModule):
        raise ConversionError(f"torch.export gave a {type(exported).__name__} for {type(model).__name__}.")
    return exported


def _culprit(model: nn.Module, trace: TracebackType | None) -> str:
    """The innermost module of the model whose code was running."""
    names = {id(module): name for name, module in model.named_modules()}
    found = type(model).__name__
    while trace is not None:
        running = trace.tb_frame.f_locals.get("self")
        if names.get(id(running)):
            found = f"{names[id(running)]} ({type(running).__name__})"
        trace = trace.tb_next
    return found


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _plain(exported: fx.GraphModule) -> fx.GraphModule:
    """The same nodes in a graph of positional input and single output, over detached tensors."""
    graph = fx.Graph()
    (result,) = graph.graph_copy(exported.graph, {})  # type: ignore[misc]
    graph.output(result)
    constants: dict[str, Any] = {}
    for node in graph.nodes:
        node.meta["captured"] = node.name
        if node.op == "get_attr":
            constants[str(node.target)] = operator.attrgetter(str(node.target))(exported).detach()
        if node.op in ("call_module", "call_method"):
            raise ConversionError(f"The captured graph calls {node.target!r}, which is not a torch operator.")
    return fx.GraphModule(constants, graph)


def _check_output(model: nn.Module, got: Tensor, expected: Tensor) -> None:
    if not torch.equal(got, expected):
        raise ConversionError(
            f"The captured graph of {type(model).__name__} computes other numbers than the model on the example "
            f"(largest difference {float((got - expected).abs().max()):g}). A model that draws random numbers in "
            "evaluation mode, or whose output holds NaN, cannot be converted."
        )
