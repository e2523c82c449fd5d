"""What a packed graph is: one input, operators of domain `onebit`, a short list of float operators, one output.

This is the contract between conversion (which builds such graphs), the runtime (which runs them) and the writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode

from onebit._errors import ConversionError
from onebit._registry import unknown_name
from onebit.bits import WORD_BITS
from onebit.export._nodes import attributes, buffer, label, part, source, sources
from onebit.export._operators import BY_TARGET, CONCATENATION, FLOAT_TARGETS, REGROUPING
from onebit.export._spec import InputSpec

_BATCH = 3  # not 1, which broadcasts, and not a size that a layer is likely to have


@dataclass(frozen=True)
class Value:
    """What flows along one edge: shape per example (without the batch), dtype, and the bit count if it is packed."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    bits: int | None = None  # K of a packed value, whose last dimension is then ceil(K / 64) words

    @property
    def rows(self) -> int:
        """Number of dot products per example and output channel."""
        return torch.Size(self.shape[:-1]).numel()


def trace(module: fx.GraphModule, spec: InputSpec) -> dict[str, Value]:
    """What every node gives, by node name, found with fake tensors (nothing is computed).

    Raises ConversionError, naming the node, if the graph is not a packed one.
    """
    _check_ends(module.graph)
    for node in module.graph.nodes:
        _check_target(node)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        tracer = _Tracer(module)
        tracer.run(fake.from_tensor(spec.example(_BATCH)))
    return tracer.values


def _check_ends(graph: fx.Graph) -> None:
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    results = [node.args[0] for node in graph.nodes if node.op == "output"]
    if len(inputs) != 1 or len(results) != 1 or not isinstance(results[0], fx.Node) or results[0] in inputs:
        raise ConversionError(
            f"A packed graph computes one output from one input; this one takes {inputs} and gives {results}."
        )


def _check_target(node: fx.Node) -> None:
    if node.op in ("call_method", "call_module"):
        raise ConversionError(f"{label(node)}: a packed graph calls functions only, not {node.op} {node.target!r}.")
    if node.op == "call_function" and part(node) is None and str(node.target) not in {*BY_TARGET, *FLOAT_TARGETS}:
        hint = unknown_name("operator of a packed graph", str(node.target), [*BY_TARGET, *FLOAT_TARGETS])
        raise ConversionError(f"{label(node)}: {hint}")


class _Tracer(fx.Interpreter):
    """Runs the graph once and keeps what flows; knows which values are packed, so none is read as numbers."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False  # our messages name the node; a dump of the graph below them helps nobody
        self.values: dict[str, Value] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "get_attr":
            return buffer(self.module, n)
        if n.op != "placeholder":
            self._check_packing(n)
        try:
            result = super().run_node(n)
        except Exception as error:  # a fake kernel may raise anything; all of it means that the graph is wrong
            raise ConversionError(f"{label(n)} ({n.target}): {error}") from error
        if n.op != "output":
            self.values[n.name] = self._value(n, result)
        return result

    def _value(self, node: fx.Node, result: Any) -> Value:
        if isinstance(result, tuple):  # the value of a node with several results is the first
            result = result[0]
        if not isinstance(result, Tensor) or result.ndim == 0 or result.shape[0] != _BATCH:
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ConversionError(
                f"{label(node)} ({node.target}): gives {got} for a batch of {_BATCH}; dimension 0 must stay the batch, "
                "so write -1 for it where a shape is given."
            )
        return Value(tuple(result.shape[1:]), result.dtype, self._bits(node, result))

    def _bits(self, node: fx.Node, result: Tensor) -> int | None:
        """How many signs each row of a packed result holds; None if it is not packed."""
        taken = part(node)
        if taken is not None:  # the first result is the floats, the second their signs
            return int(attributes(taken[0], BY_TARGET[str(taken[0].target)])["n"]) if taken[1] else None
        found = BY_TARGET.get(str(node.target))
        if found is not None and found.gives_words:
            counts = attributes(node, found)[found.counts[1]] if found.counts[1] else None
            return int(counts or self.values[source(node).name].shape[0 if found.is_nchw else -1])
        if str(node.target) == CONCATENATION:
            return self._joined(node)
        given = self.values[source(node).name] if str(node.target) in REGROUPING else None
        if given is None or given.bits is None:
            return None
        # Words that come together keep their tail bits, which are 0: from here on these are signs, each of them +1.
        return given.bits if result.shape[-1] == given.shape[-1] else WORD_BITS * int(result.shape[-1])

    def _joined(self, node: fx.Node) -> int | None:
        """Bits of words that are joined along their last dimension: only the last ones may have a tail."""
        parts = [self.values[given.name] for given in sources(node)]
        bits = [part.bits for part in parts if part.bits is not None]
        if not bits:
            return None
        last = len(node.args) > 1 and node.args[1] in (-1, len(parts[0].shape))
        if len(bits) < len(parts) or not last or any(count % WORD_BITS for count in bits[:-1]):
            raise ConversionError(
                f"{label(node)} ({node.target}): joins {[part.bits for part in parts]} bits (None: numbers) along "
                f"dimension {node.args[1:]}; expected whole words, but for the last, along the last one."
            )
        return sum(bits)

    def _check_packing(self, node: fx.Node) -> None:
        """Operators on packed bits take packed bits of their k; all others, and residuals, are numbers."""
        found = BY_TARGET.get(str(node.target))
        if str(node.target) in {*REGROUPING, CONCATENATION} or part(node) is not None:
            return
        for given in (n for n in node.all_input_nodes if n.name in self.values):
            wanted = found is not None and found.takes_words and given is node.args[0]
            bits = self.values[given.name].bits
            if (bits is not None) != wanted:
                got, need = ("packed bits", "numbers") if bits is not None else ("numbers", "packed bits")
                raise ConversionError(f"{label(node)} ({node.target}): takes {need}, but {label(given)} gives {got}.")
            if found is None or not wanted:
                continue
            name = found.counts[0]
            if bits != (count := attributes(node, found)[name]):
                raise ConversionError(f"{label(node)}: has {name}={count}, but {label(given)} gives {bits} bits.")
