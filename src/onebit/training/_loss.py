"""The losses that a recipe can name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import cross_entropy

from onebit.nn.functional import squared_hinge

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"squared-hinge": squared_hinge, "cross-entropy": cross_entropy}
