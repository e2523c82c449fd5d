"""What the dense and conv2d operators store for each exact sum: ob_epilogue's kinds as parts of torch operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.bits import words_for
from onebit.ops._checks import check_dtype, check_vector
from onebit.ops._fallback import operand
from onebit.ops._library import Epilogue

Result = Tensor | tuple[Tensor, Tensor]
Channels = tuple[tuple[str, torch.dtype], ...]
_ACTIVATIONS: dict[int, tuple[str, ...]] = {0: (), 1: ("slope",), 2: ("low", "high")}
_CODES = {0: 0, 1: 2, 2: 1}  # OB_ACTIVATION_NONE, _PRELU, _CLAMP by the number of their arrays


@dataclass(frozen=True)
class Output:
    """What is stored: ob_epilogue's code, and the operator's arguments behind the sizes.

    channels: the arrays of one value per channel, first. steps: activation, residual and residual_last follow.
    signs: threshold and direction of the floats come last, and the words of their signs are a second result.
    """

    code: int
    dtype: torch.dtype
    columns: Callable[[int], int]  # size of the result's last dimension for n
    channels: Channels = ()
    steps: bool = False
    signs: Channels = ()

    @property
    def schema(self) -> str:
        """The arguments behind the sizes, each with a comma in front, as torch writes them."""
        steps = ", Tensor[] activation, Tensor[] residual, bool residual_last" if self.steps else ""
        first, last = ("".join(f", Tensor {name}" for name, _ in arrays) for arrays in (self.channels, self.signs))
        return first + steps + last

    @property
    def results(self) -> str:
        """The results, as torch writes them."""
        return "(Tensor, Tensor)" if self.signs else "Tensor"

    def check(self, op: str, lead: Sequence[int], n: int, arguments: Sequence[Any]) -> None:
        """Everything that shapes and dtypes can tell of the arguments, for results (*lead, ...)."""
        for name, dtype, array in self._arrays(op, arguments):
            check_vector(op, name, array, n, dtype)
        if self.steps:
            _check_residual(op, arguments[3], (*lead, n))

    def empty(self, new: Callable[[tuple[int, ...], torch.dtype], Tensor], lead: Sequence[int], n: int) -> Result:
        """Empty results (*lead, ...), made by `new`."""
        out = new((*lead, self.columns(n)), self.dtype)
        return (out, new((*lead, words_for(n)), torch.int64)) if self.signs else out

    def to_c(self, op: str, arguments: Sequence[Any], result: Result) -> tuple[Epilogue, list[Tensor]]:
        """The struct, and the tensors that it points into, which must outlive the call."""
        found = {name: operand(array, array.element_size()) for name, _, array in self._arrays(op, arguments)}
        epilogue = Epilogue(output=self.code)
        if self.steps:
            if arguments[3]:
                found["residual"] = operand(arguments[3][0], 4)
            epilogue.activation, epilogue.residual_last = _CODES[len(arguments[2])], int(arguments[4])
        if isinstance(result, tuple):
            found["bits"] = result[1]
        for name, tensor in found.items():
            setattr(epilogue, "float_threshold" if self.signs and name == "threshold" else name, tensor.data_ptr())
        return epilogue, list(found.values())

    def _arrays(self, op: str, arguments: Sequence[Any]) -> list[tuple[str, torch.dtype, Tensor]]:
        """Name, dtype and tensor of every array of one value per channel."""
        found = [(name, dtype, tensor) for (name, dtype), tensor in zip(self.channels, arguments, strict=False)]
        if self.steps:
            activation = arguments[2]
            if len(activation) not in _ACTIVATIONS:
                raise OptionError(
                    f"{op}: activation has {len(activation)} tensors; expected none, one (PReLU's slope) or two (low "
                    "and high of a clamp; ReLU is 0 and infinity)."
                )
            names = _ACTIVATIONS[len(activation)]
            found += [(name, torch.float32, tensor) for name, tensor in zip(names, activation, strict=True)]
        last = arguments[len(arguments) - len(self.signs) :]
        return found + [(name, dtype, tensor) for (name, dtype), tensor in zip(self.signs, last, strict=True)]


def steps(activation: Sequence[Tensor], residual: Tensor | None, residual_last: bool) -> tuple[Any, ...]:
    """The public functions' arguments as the operators take them: lists, as C has no optional tensor."""
    return list(activation), [] if residual is None else [residual], residual_last


def _check_residual(op: str, residual: Sequence[Tensor], shape: tuple[int, ...]) -> None:
    if len(residual) > 1:
        raise OptionError(f"{op}: residual has {len(residual)} tensors; expected at most one.")
    for tensor in residual:
        check_dtype(op, "residual", tensor, torch.float32)
        if tuple(tensor.shape) != shape:
            raise ShapeError(
                f"{op}: residual has shape {tuple(tensor.shape)}; expected {shape}, the shape of the result."
            )


_SCALE: Channels = (("scale", torch.float32), ("bias", torch.float32))
_DIRECTION = ("direction", torch.int8)
INT32 = Output(1, torch.int32, lambda n: n)
FLOAT = Output(2, torch.float32, lambda n: n, _SCALE)
BITS = Output(3, torch.int64, words_for, (("threshold", torch.int32), _DIRECTION))
FUSED = Output(2, torch.float32, lambda n: n, _SCALE, steps=True)
BOTH = Output(4, torch.float32, lambda n: n, _SCALE, steps=True, signs=(("threshold", torch.float32), _DIRECTION))
OUTPUTS = {"int32": INT32, "float": FLOAT, "bits": BITS, "fused": FUSED, "both": BOTH}  # by the operators' last names
