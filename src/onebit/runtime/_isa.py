"""Which kernel would compute a node of a packed graph, by the library's own choice for its shape."""

from __future__ import annotations

from typing import Any

from onebit.export._operators import Operator
from onebit.export._trace import Value
from onebit.ops import native


def isa_for(operator: Operator, sizes: dict[str, Any], given: Value, result: Value, batch: int) -> str:
    """Instruction set of the kernel that `batch` examples of this node would run now.

    sizes: the node's attributes. given, result: what flows into it and out of it.
    """
    if operator.row == "dense":
        return native.choice("dense", batch * result.rows, sizes["n"], sizes["k"]).isa
    if operator.row == "conv2d":
        height, width, _ = given.shape
        names = ("c", "n", "kernel", "stride", "padding", "dilation", "groups")
        return native.conv2d_choice((height, width), batch=batch, **{name: sizes[name] for name in names}).isa
    return native.active(operator.row)
