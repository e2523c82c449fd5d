"""InputSpec: what a packed model takes, and the error a person gets when something else arrives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onebit._errors import DtypeError, OptionError, ShapeError

INPUT_DTYPES = (torch.uint8, torch.int8, torch.float32)


@dataclass(frozen=True)
class InputSpec:
    """Shape with None for the free batch dimension 0, and dtype (torch.uint8, torch.int8 or torch.float32)."""

    shape: tuple[int | None, ...]
    dtype: torch.dtype

    def __post_init__(self) -> None:
        sizes = self.shape[1:]
        if not self.shape or self.shape[0] is not None or not all(isinstance(d, int) and d > 0 for d in sizes):
            raise OptionError(
                f"InputSpec(shape={self.shape}): expected None (the batch) first, then positive sizes: (None, 784)."
            )
        if self.dtype not in INPUT_DTYPES:
            raise OptionError(
                f"InputSpec(dtype={self.dtype}): expected torch.uint8 (pixels), torch.int8 or torch.float32."
            )

    def __str__(self) -> str:
        return f"({', '.join('N' if d is None else str(d) for d in self.shape)}) {str(self.dtype).split('.')[1]}"

    def check(self, x: Tensor) -> None:
        """Raises DtypeError or ShapeError if x is not such an input."""
        if not isinstance(x, Tensor):
            raise DtypeError(f"The model takes one tensor of {self}, got {type(x).__name__}; use torch.as_tensor(x).")
        if x.dtype != self.dtype:
            raise DtypeError(f"The model takes {self}, got a tensor of {x.dtype}. {self._dtype_advice(x.dtype)}")
        if x.ndim != len(self.shape) or x.shape[1:] != self.shape[1:]:
            raise ShapeError(f"The model takes {self}, got shape {tuple(x.shape)}. {self._shape_advice(x)}")

    def _dtype_advice(self, got: torch.dtype) -> str:
        if self.dtype == torch.uint8 and got.is_floating_point:
            return "Pass the raw 0..255 pixels as uint8, without normalisation: the packed first layer contains it."
        if {self.dtype, got} == {torch.uint8, torch.int8}:
            return "The bytes of one mean other numbers in the other; pass what the model was converted with."
        return f"Convert it with x.to({self.dtype})."

    def _shape_advice(self, x: Tensor) -> str:
        sizes = torch.Size([d for d in self.shape[1:] if d is not None])
        if x.shape == sizes:
            return "This is one example without a batch dimension: call x.unsqueeze(0)."
        if x.ndim > 0 and x.shape[1:].numel() == sizes.numel():
            return f"The sizes agree: call x.reshape({', '.join(map(str, [-1, *sizes]))})."
        return "Dimension 0 is the batch; the others must be as they were in conversion."

    def example(self, batch: int) -> Tensor:
        """Zeros of this shape and dtype."""
        return torch.zeros([batch if d is None else d for d in self.shape], dtype=self.dtype)
