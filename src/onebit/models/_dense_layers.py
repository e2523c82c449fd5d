"""The dense layers at the end of a convolutional network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from torch import nn

from onebit.models._activation import Activation, end_block
from onebit.models._flatten import Flatten
from onebit.nn import BinaryLinear


class Norm(Protocol):
    """Makes a new batch norm of a width; last: it is that of the scores."""

    def __call__(self, width: int, /, *, last: bool) -> nn.Module: ...


def add_dense_layers(
    model: nn.Sequential,
    inputs: int,
    hidden: Sequence[int],
    classes: int,
    active: Activation,
    weights: str | None,
    norm: Norm,
) -> None:
    """Adds flatten, [linear, batch norm] called dense1, dense2, ... for each hidden width, and output to the model.

    inputs: numbers of a flattened map. Every linear layer takes the sign of its input; a float activation stands
    behind each batch norm but the last instead.
    """
    model.add_module("flatten", Flatten())
    for depth, width in enumerate((*hidden, classes), start=1):
        last = depth > len(hidden)
        linear = BinaryLinear(inputs, width, input_quantizer=active.quantizer(), weight_quantizer=weights)
        block = OrderedDict[str, nn.Module](linear=linear)
        name = "output" if last else f"dense{depth}"
        model.add_module(name, end_block(block, norm(width, last=last), None if last else active))
        inputs = width
