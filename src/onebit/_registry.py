"""A registry maps names to things, refuses duplicates and suggests the near miss."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, NoReturn, TypeVar

from onebit._errors import UnknownName

T = TypeVar("T")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that is not known: quotes it, suggests the nearest known one, lists all."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownName(f"No {kind} is called {name!r}.{hint} Known: {', '.join(names)}.")


class Registry(Mapping[str, T], Generic[T]):
    """Names to things of one kind.

    kind: what the entries are, for messages ("model", "recipe").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an entry; raises ValueError if the name is taken (two owners of a name is a bug)."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"The {self.kind} {name!r} is already registered: {self._entries[name]!r}.")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self._missing(name)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:  # Mapping's own catches KeyError only; ours raises UnknownName
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def _missing(self, name: str) -> NoReturn:
        raise unknown_name(self.kind, name, self._entries)
