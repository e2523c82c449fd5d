"""From plain values, as recipes write them, to steps: `[crop: 4, flip]` is a list of a mapping and a name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from onebit._errors import OptionError
from onebit._registry import Registry

T = TypeVar("T")


def build_steps(registry: Registry[Callable[..., T]], values: Sequence[Any], where: str) -> list[T]:
    """One step for each value: a name, or a mapping of one name to its options.

    The options are a mapping (by keyword), a list (in order), or one value (the first option).
    where: what the list is called, for messages.
    Raises UnknownName for a name that is not registered, OptionError for anything else that does not fit.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise OptionError(f"{where} is {values!r}. Expected a list of steps, such as {_example(registry)}.")
    return [_build(registry, value, where) for value in values]


def _build(registry: Registry[Callable[..., T]], value: Any, where: str) -> T:
    name, options = (value, ()) if isinstance(value, str) else _pair(registry, value, where)
    make = registry[name]
    signature = inspect.signature(make)
    try:
        bound = signature.bind(**options) if isinstance(options, Mapping) else signature.bind(*options)
    except TypeError as error:
        raise OptionError(f"{where}: {name} got {options!r}: {error}. Its options are {signature}.") from None
    return make(*bound.args, **bound.kwargs)


def _pair(registry: Registry[Callable[..., T]], value: Any, where: str) -> tuple[str, Any]:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise OptionError(
            f"{where} holds {value!r}. Expected a name or one name with its options, as in {_example(registry)}."
        )
    ((name, options),) = value.items()
    if options is None:
        return str(name), ()
    plain = isinstance(options, Mapping) or (isinstance(options, Sequence) and not isinstance(options, str))
    return str(name), options if plain else (options,)


def _example(registry: Registry[Callable[..., T]]) -> str:
    return f"[{', '.join(registry)}]"
