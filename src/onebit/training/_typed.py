"""From a mapping of plain values (YAML) to dataclasses, every key known and every value of its type."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from onebit._errors import OptionError
from onebit._registry import unknown_name

T = TypeVar("T")


def build(kind: type[T], values: Any, where: str = "") -> T:
    """An instance of the dataclass from a mapping; missing keys take their defaults.

    where: the dotted path of the mapping, for messages.
    Raises UnknownName for a key that is not a field, OptionError for a value of another type or a missing field.
    """
    if not isinstance(values, Mapping):
        raise OptionError(f"{where or 'The recipe'} is {values!r}. Expected a mapping of options.")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    arguments = {}
    for key, value in values.items():
        if key not in fields:
            raise unknown_name(f"option of {where}" if where else "option of a recipe", str(key), fields)
        arguments[key] = convert(hints[key], value, f"{where}.{key}" if where else key)
    missing = [name for name, field in fields.items() if name not in arguments and _required(field)]
    if missing:
        raise OptionError(f"{where or 'The recipe'} lacks {', '.join(missing)}.")
    return kind(**arguments)


def require(true: bool, where: str, value: Any, expected: str) -> None:
    """Raise OptionError for an entry that is out of range."""
    if not true:
        raise OptionError(f"{where} is {value!r}. Expected {expected}.")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted keys, "optimizer.lr"; tuples as lists, which is how a file gives them back."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def convert(kind: Any, value: Any, where: str) -> Any:
    """The value as that type. A float may be written as an int; nothing else is bent. Raises OptionError."""
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)  # type: ignore[arg-type]
    if get_origin(kind) in (types.UnionType, Literal):
        return _one_of(kind, value, where)
    if kind is float and type(value) is int:
        return float(value)
    plain = get_origin(kind) or kind
    if plain is dict and isinstance(value, Mapping):
        return dict(value)
    if type(value) is not plain:
        raise OptionError(f"{where} is {value!r}, of type {type(value).__name__}. Expected {plain.__name__}.")
    return value


def _one_of(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise OptionError(f"{where} is {value!r}. Expected one of {', '.join(map(repr, get_args(kind)))}.")
        return value
    if value is None and type(None) in get_args(kind):
        return None
    (only,) = (one for one in get_args(kind) if one is not type(None))
    return convert(only, value, where)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
