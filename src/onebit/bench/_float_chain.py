"""The converted network in floating point: the same weights and thresholds, so that only the kernel differs.

Every sum is an integer below 2**24 and every threshold lies half-way between two of them, so float32 is exact: the
answers are equal, whoever multiplies.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from onebit import ops
from onebit._errors import OptionError
from onebit.bench._workload import Sign, linear
from onebit.export._nodes import attributes, buffer, source
from onebit.export._operators import BY_TARGET, REGROUPING, Operator
from onebit.runtime import PackedModel

EXACT = 1 << 24  # float32 holds every integer up to here


class Flat(nn.Module):
    """(N, ...) uint8 -> (N, k) of a type that holds 0 to 255."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """One row for each picture."""
        return x.flatten(1).to(self.dtype)


class Affine(nn.Module):
    """y = x * scale + bias for each channel, rounded twice, as the engine does it."""

    scale: Tensor
    bias: Tensor

    def __init__(self, scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, n) -> (N, n)."""
        return x * self.scale + self.bias


def float_chain(packed: PackedModel) -> nn.Sequential:
    """Flat, then for each layer Linear and Sign, at the end Linear and Affine.

    Raises OptionError unless the model is a chain of dense layers from bytes to scores, as a multilayer perceptron is.
    """
    chain: list[nn.Module] = [Flat()]
    for node in packed.graph_module.graph.nodes:
        target = str(node.target)
        operator = BY_TARGET.get(target)
        if operator is not None and operator.is_dense and operator.output in ("bits", "float"):
            chain += _layer(packed, node, operator)
        elif node.op == "call_function" and target not in REGROUPING:
            raise OptionError(
                f"The kernel figure takes a multilayer perceptron, dense layers from bytes to scores; this model has "
                f"{target}. The paper's is made by `onebit train mnist-mlp`, a small one by `onebit demo`."
            )
    return nn.Sequential(*chain)


def _layer(packed: PackedModel, node: fx.Node, operator: Operator) -> list[nn.Module]:
    sizes = attributes(node, operator)
    n, k = sizes["n"], sizes["k"]
    words = ops.unpack_weights(buffer(packed.graph_module, source(node, 1)), n, k)
    weight = ops.unpack(words, k)
    first, second = (buffer(packed.graph_module, source(node, operator.first_constant + i)) for i in range(2))
    if operator.output == "float":
        return [linear(weight), Affine(first, second)]
    # direction * y >= direction * threshold, where one threshold beyond the largest sum is as good as any other
    direction = second.to(torch.int64)
    bound = (first.to(torch.int64) * direction).clamp(-EXACT // 2, EXACT // 2)
    return [linear(weight * direction.float()[:, None], 0.5 - bound.float()), Sign()]
