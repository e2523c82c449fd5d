"""Data set objects of other libraries: torchvision's and Hugging Face's, told by what they can do, never imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from onebit._errors import FormatError, OptionError
from onebit.data._decode import channels_of, to_pixels
from onebit.data._pictures import OnError, Pictures

IMAGE_KEYS = ("image", "img", "pixel_values")
LABEL_KEYS = ("label", "labels", "fine_label", "target")


@dataclass(frozen=True)
class Items:
    """`Source` of an object with `__getitem__`."""

    items: Any
    image: str | None  # the key of the picture in a row; None if rows are pairs

    def open(self, index: int) -> Any:
        """The picture of the row."""
        row = self.items[index]
        return row[0] if self.image is None else row[self.image]

    def where(self, index: int) -> str:
        """The row's number."""
        return f"{type(self.items).__name__}[{index}]"


def adapt(
    items: Any,
    size: int | None = None,
    *,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    keep: float = 1.0,
    workers: int = 0,
    on_error: OnError = "raise",
) -> Pictures:
    """A data set object of another library, whose items are pictures with labels; `.in_memory()` reads it whole.

    items: has `len` and `[i]`, which gives (picture, label) as torchvision's do, or a mapping with "image" or "img"
        and "label" as Hugging Face's do. A picture is one of Pillow, an array (H, W) or (H, W, C), or a tensor
        (C, H, W); uint8 or pixels / 255, not normalised.
    size: side in pixels that all are scaled to; None if they have one size already.
    classes: names by label; else those that the object knows, else the labels as texts.
    keep, workers, on_error: see `Pictures`.

    Labels are taken from `features`, `targets` or `labels` if the object has them; else every item is opened once.
    Raises OptionError if the object is none of these, FormatError for a picture of another kind.
    """
    kind = type(items).__name__
    if not hasattr(items, "__getitem__") or not hasattr(items, "__len__") or len(items) == 0:
        raise OptionError(f"adapt: got {kind}. Expected an object with items: len(it) >= 1, and it[0] with a picture.")
    first = items[0]
    if isinstance(first, Mapping):
        image, label = (_key(kind, first, keys) for keys in (IMAGE_KEYS, LABEL_KEYS))
        labels, known = _column(items, label), _feature_names(items, label)
    elif isinstance(first, Sequence) and not isinstance(first, str) and len(first) >= 2:
        image, labels, known = None, _targets(items), getattr(items, "classes", None)
    else:
        raise OptionError(
            f"adapt: {kind}[0] is of type {type(first).__name__}. Expected (picture, label) or a mapping."
        )
    numbers = torch.as_tensor(labels).to(torch.int64)
    source = Items(items, image)
    names = tuple(map(str, classes or known or range(int(numbers.max()) + 1)))
    if int(numbers.min()) < 0 or int(numbers.max()) >= len(names):
        raise OptionError(f"adapt: labels run from {int(numbers.min())} to {int(numbers.max())}; classes {len(names)}.")
    return Pictures(
        source,
        numbers,
        names,
        name or kind.lower(),
        f"{len(items):,} items of a {kind}",
        _shape(source, size),
        scaled=size is not None,
        keep=keep,
        workers=workers,
        on_error=on_error,
    )


def _shape(source: Items, size: int | None) -> tuple[int, int, int]:
    try:
        picture = source.open(0)
        channels = channels_of(picture)
        _, height, width = to_pixels(picture, channels, size, 1.0, None, None).shape
    except (FormatError, AttributeError, TypeError) as error:
        raise FormatError(f"{source.where(0)}: holds {error}.") from None
    return channels, height, width


def _key(kind: str, row: Mapping[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        if key in row:
            return key
    raise OptionError(f"adapt: {kind}[0] has {', '.join(map(str, row))}. Expected one of {', '.join(keys)}.")


def _column(items: Any, key: str) -> list[int]:
    """A column whole, without opening pictures, where the object gives columns."""
    if hasattr(items, "features"):
        return [int(value) for value in items[key]]
    return [int(items[i][key]) for i in range(len(items))]


def _feature_names(items: Any, key: str) -> Sequence[str] | None:
    features = getattr(items, "features", None) or {}
    names: Sequence[str] | None = getattr(features.get(key), "names", None)
    return names


def _targets(items: Any) -> Any:
    """The labels as the object keeps them, unless it changes them on the way out."""
    for name in ("targets", "labels"):
        kept = getattr(items, name, None)
        if kept is not None and len(kept) == len(items) and getattr(items, "target_transform", None) is None:
            return kept
    return [int(items[i][1]) for i in range(len(items))]
