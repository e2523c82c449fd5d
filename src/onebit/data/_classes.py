"""Classes matched by name: a folder numbers its classes as it finds them, a network as it was trained."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Sequence

import torch

from onebit._errors import DataError
from onebit.data._dataset import Dataset
from onebit.data._pictures import PictureSet

_SHOWN = 5


def match_classes(pictures: PictureSet, classes: Sequence[str]) -> PictureSet:
    """The same pictures with the labels that their classes' names have in `classes`, those of a network.

    They may be of some of the classes alone. Raises DataError for classes that are not among them, with the names that
    are nearest, and if there are no names to match.
    """
    if not classes:
        raise DataError(f"{pictures.name}: its classes cannot be matched, as the network does not name its own.")
    number = {name: label for label, name in enumerate(classes)}
    unknown = [name for name in pictures.classes if name not in number]
    if unknown:
        wrong = _shown([_with_near(name, classes) for name in unknown])
        raise DataError(
            f"{pictures.source}: of {len(pictures.classes)} classes, the network does not know {len(unknown)}: "
            f"{wrong}. It knows {_shown(classes)}; call the folders so."
        )
    labels = torch.tensor([number[name] for name in pictures.classes])[pictures.labels.cpu()]
    labels = labels.to(pictures.labels.device)
    if isinstance(pictures, Dataset):
        return dataclasses.replace(pictures, labels=labels, classes=tuple(classes))
    matched = copy.copy(pictures)
    matched.labels, matched.classes = labels, tuple(classes)
    return matched


def _with_near(name: str, classes: Sequence[str]) -> str:
    lower = {one.lower(): one for one in classes}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return f"{name!r} (did you mean {lower[near[0]]!r}?)" if near else repr(name)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
