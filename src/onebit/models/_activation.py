"""What stands between a batch norm and the next layer: a quantizer of that layer's input, or a float activation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from onebit import quantizers
from onebit._errors import OptionError
from onebit._registry import unknown_name
from onebit.nn import Sequential
from onebit.quantizers import Quantizer

FLOAT: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "hardtanh": nn.Hardtanh}


@dataclass(frozen=True)
class Activation:
    """An activation by name, for a model to put where it belongs."""

    name: str

    @classmethod
    def named(cls, model: str, name: str | None) -> Activation:
        """Raises OptionError for None and UnknownName for a name that is neither a quantizer's nor in `FLOAT`."""
        if name is None:
            raise OptionError(f"{model}: activation is None. Expected a name, such as 'sign', or 'relu' for floats.")
        if name not in FLOAT and name not in quantizers.names():
            raise unknown_name("activation", name, [*quantizers.names(), *FLOAT])
        return cls(name)

    def quantizer(self) -> Quantizer | None:
        """A new quantizer for the input of the layer behind; None if the activation is one of floats."""
        return None if self.name in FLOAT else quantizers.get(self.name)

    def module(self) -> nn.Module | None:
        """A new module to stand in front of that layer; None if the layer quantizes its input itself."""
        return FLOAT[self.name]() if self.name in FLOAT else None


def end_block(block: OrderedDict[str, nn.Module], norm: nn.Module, active: Activation | None) -> Sequential:
    """The block with its batch norm behind it, and the activation if that is one of floats."""
    block["norm"] = norm
    module = active.module() if active else None
    if module is not None:
        block["activation"] = module
    return Sequential(block)
