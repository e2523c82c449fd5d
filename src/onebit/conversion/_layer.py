"""Layer: what conversion knows about one binary layer; it travels in the node's metadata from pass to pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor, fx

from onebit.conversion._sums import Sums


@dataclass(frozen=True)
class Layer:
    """name: in the original network. sums: what it adds up.

    result: the captured node that holds what the packed layer gives ("" if that is the sum itself).
    scale, bias: the epilogue of a float layer. tolerance: largest difference that this epilogue makes, over all sums.
    residual: the captured node that is added to its floats, "" for none. signs: the captured node of the signs that it
    gives beside its floats, with a minus in front if they are negated, "" for none.
    note: how exact the layer is. pools: pools of its bits that belong to it, between the layer and `result`.
    """

    name: str
    sums: Sums
    result: str
    scale: Tensor
    bias: Tensor
    note: str
    tolerance: float = 0.0
    pools: int = 0
    residual: str = ""
    signs: str = ""

    def but(self, **changes: object) -> Layer:
        """The same layer with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]


def layer_of(node: fx.Node) -> Layer | None:
    """The layer of a dense or conv2d node."""
    return cast("Layer | None", node.meta.get("layer"))
