"""Quantizers by name, so that layers, recipes and the command line can say "sign"."""

from __future__ import annotations

from typing import Any

from onebit._errors import OptionError
from onebit._registry import Registry
from onebit.quantizers._base import Quantizer

QUANTIZERS: Registry[type[Quantizer]] = Registry("quantizer")


def names() -> list[str]:
    """The names that `get` takes, sorted."""
    return list(QUANTIZERS)


def get(name: str, **options: Any) -> Quantizer:
    """A new quantizer of that name; raises UnknownName with the near miss."""
    return QUANTIZERS[name](**options)


def resolve(quantizer: str | Quantizer | None) -> Quantizer | None:
    """What a layer's quantizer argument means: a name makes a new one, an instance is itself, None is none.

    Raises OptionError for anything else, such as the class instead of an instance.
    """
    if quantizer is None or isinstance(quantizer, Quantizer):
        return quantizer
    if isinstance(quantizer, str):
        return get(quantizer)
    raise OptionError(
        f"A quantizer was given as {quantizer!r}. Expected None, a Quantizer instance such as Sign(), "
        f"or one of the names {', '.join(names())}."
    )
