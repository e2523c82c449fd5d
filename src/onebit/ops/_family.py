"""A family: the operators of one kind of sum and one kind of input, one for each output.

`dense_u8` is a family of five operators, dense_u8_int32 to dense_u8_both. What they are is written once: the inputs
here, the outputs in _epilogue.py, schema and kernels of a sum in its `Operator`, public signatures in its `Family`.
"""

from __future__ import annotations

import functools
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor

from onebit.bits import words_for
from onebit.ops._epilogue import OUTPUTS, Output, Result
from onebit.ops._front_door import define, run

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Input:
    """What x holds: the suffix of its operators and C functions, and x's last dimension for k signs or c channels."""

    suffix: str
    dtype: torch.dtype
    columns: Callable[[int], int]
    meaning: str  # of the last dimension, {size} being "k" or "c"
    hint: str  # for another dtype, {sum} being "dense" or "conv2d"


WORDS = Input(
    suffix="",
    dtype=torch.int64,
    columns=words_for,
    meaning="ceil({size} / 64) words for {size}",
    hint="Pack signs with onebit.ops.pack, or give uint8 pixels to {sum}_u8_*.",
)
PIXELS = Input(
    suffix="_u8",
    dtype=torch.uint8,
    columns=lambda size: size,
    meaning="{size} values",
    hint="Pass the raw 0..255 values, without normalisation.",
)
SIGNED_BYTES = Input(
    suffix="_s8",
    dtype=torch.int8,
    columns=lambda size: size,
    meaning="{size} values",
    hint="Values from 0 to 255 go into {sum}_u8_*.",
)


@dataclass(frozen=True)
class Operator(ABC):
    """One operator of torch.ops.onebit: its schema, its check with its fake, and its Python kernel.

    Its methods take the operator's arguments, in the order of the schema: x, weights, n and more sizes.
    """

    op: str
    input: Input
    output: Output
    sum: ClassVar[str]

    def define(self) -> None:
        """Defines torch.ops.onebit.<op>."""
        arguments = f"Tensor x, Tensor weights, {self.integers}{self.output.schema}"
        define(f"{self.op}({arguments}) -> {self.output.results}", self.fake, self.python)

    @property
    def function(self) -> str:
        """The C function."""
        return f"ob_{self.sum}{self.input.suffix}"

    @property
    def hint(self) -> str:
        """What to do when x has another dtype."""
        return self.input.hint.format(sum=self.sum)

    @property
    @abstractmethod
    def integers(self) -> str:
        """The integers between the weights and the epilogue's arguments, as torch writes them."""

    @abstractmethod
    def check(self, x: Tensor, weights: Tensor, *rest: Any) -> tuple[int, ...]:
        """Everything that shapes, dtypes and integers can tell; the sizes of the result before its last one."""

    def fake(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """Empty results of the right shape and dtype, after `check`."""
        lead = self.check(x, weights, *rest)
        return self.output.empty(lambda shape, dtype: x.new_empty(shape, dtype=dtype), lead, rest[0])

    @abstractmethod
    def python(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """The operator through ctypes."""


class Family:
    """The operators of one input; a subclass has a method for each output, with the signature that users see."""

    operator: ClassVar[type[Operator]]

    def __init__(self, given: Input) -> None:
        self.name = self.operator.sum + given.suffix
        self._operators = {name: self.operator(f"{self.name}_{name}", given, kind) for name, kind in OUTPUTS.items()}
        for operator in self._operators.values():
            operator.define()

    def call(self, output: str, *arguments: Any) -> Tensor:
        """torch's operator of this output, with good messages when it refuses."""
        operator = self._operators[output]
        return run(operator.op, operator.check, *arguments)

    def call_both(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        """The same for the operator with two results."""
        return cast("tuple[Tensor, Tensor]", self.call("both", *arguments))


def public(method: F) -> F:
    """A family's method as the function that users call: the operator's name, the method's text and signature."""

    @functools.wraps(method)
    def function(*arguments: Any, **named: Any) -> Any:
        return method(*arguments, **named)

    family: Family = method.__self__  # type: ignore[attr-defined]
    function.__name__ = function.__qualname__ = f"{family.name}_{method.__name__}"
    function.__doc__ = re.sub(r"the (int32|fused) output", rf"{family.name}_\1", method.__doc__ or "")
    function.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
    return cast("F", function)
