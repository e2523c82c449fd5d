"""Architectures by name; what is registered is what tests, recipes and the command line iterate over."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from onebit._errors import OptionError
from onebit._registry import Registry, unknown_name

MODELS: Registry[Callable[..., nn.Module]] = Registry("model")
Build = TypeVar("Build", bound=Callable[..., nn.Module])


def register(name: str) -> Callable[[Build], Build]:
    """Decorator that adds a function returning a model; its keyword arguments are the model's options."""

    def add(build: Build) -> Build:
        MODELS.register(name)(build)
        return build

    return add


def names() -> list[str]:
    """The names that `create` takes, sorted."""
    return list(MODELS)


def create(name: str, **options: Any) -> nn.Module:
    """A new model of that name, freshly initialised; options are the keyword arguments of its function.

    Raises UnknownName for a name or an option that does not exist, with the near miss; OptionError for a value of a
    type that the function cannot use.
    """
    build = MODELS[name]
    known = inspect.signature(build).parameters
    for option in options:
        if option not in known:
            raise unknown_name(f"option of model {name!r}", option, known)
    try:
        return build(**options)
    except TypeError as error:  # what it says of values is its own; of types Python says it, in words of the code
        given = ", ".join(f"{option}={value!r}" for option, value in options.items())
        takes = f"{build.__name__}{inspect.signature(build)}"
        raise OptionError(f"Model {name!r} cannot be made with {given} ({error}). It is {takes}.") from error
