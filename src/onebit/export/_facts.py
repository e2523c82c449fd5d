"""What a file says about its use beside the graph: class names, and how pictures were cut. The graph needs neither."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from onebit._errors import FormatError, OptionError


@dataclass(frozen=True)
class Facts:
    """What the numbers of a network mean, where its maker said so.

    classes: the name of each output, () if unknown.
    keep: the share of the shorter side of a picture that the centred square takes, which is scaled to the input's size.
    Raises OptionError for names that are empty or alike, and for a keep that is no share.
    """

    classes: tuple[str, ...] = ()
    keep: float = 1.0

    def __post_init__(self) -> None:
        named = all(isinstance(name, str) and name for name in self.classes)
        if not named or len(set(self.classes)) != len(self.classes):
            raise OptionError(f"classes are {list(self.classes)!r}; expected names, each another one.")
        if not 0 < self.keep <= 1:
            raise OptionError(f"keep is {self.keep!r}; expected a share above 0 and at most 1.")

    def check(self, outputs: int) -> None:
        """OptionError unless there is a class for each of the network's outputs, or none is named."""
        if self.classes and len(self.classes) != outputs:
            raise OptionError(f"{len(self.classes)} classes are named, but the network has {outputs} outputs.")

    def to_text(self) -> dict[str, str]:
        """The entries of the file's metadata; none for what is not said."""
        classes = {"onebit.classes": json.dumps(self.classes)} if self.classes else {}
        return classes | ({"onebit.keep": repr(self.keep)} if self.keep != 1 else {})

    @classmethod
    def from_text(cls, entries: Mapping[str, str]) -> Facts:
        """The facts that a file's metadata tells; raises FormatError if it is not what `to_text` wrote."""
        try:
            classes = json.loads(entries.get("onebit.classes", "[]"))
            keep = float(entries.get("onebit.keep", "1"))
            if not isinstance(classes, list):
                raise OptionError(f"classes are {classes!r}; expected a list of names.")
            return cls(tuple(classes), keep)
        except (ValueError, TypeError, OptionError) as error:
            raise FormatError(f"has damaged metadata about its classes or pictures: {error}") from error
