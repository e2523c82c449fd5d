"""Pictures that are read when they are needed, and so need not fit into memory. Knows nothing of where they lie."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from onebit._errors import FormatError, MissingExtra, OptionError
from onebit.data._dataset import Dataset
from onebit.data._decode import RandomResizedCrop, to_pixels

OnError = Literal["raise", "skip"]


class Source(Protocol):
    """Where pictures come from; sent to the reading processes, so it must survive pickling."""

    def open(self, index: int) -> Any:
        """The picture, as `to_pixels` takes it."""

    def where(self, index: int) -> str:
        """What the picture is called in messages, such as the path of its file."""


class Pictures:
    """Pictures and labels of one split, each read when it is needed; made by `folder`, `open_set` and `adapt`.

    source_of: where they come from.  labels: int64 (N,).  classes, name, source: as those of `Dataset`.
    shape: (C, H, W) of the pictures as they are handed out.
    keep: the share of the shorter side that the centred square takes, which is scaled to H x W.
    workers: processes that read ahead; 0 reads in this one. What is read does not depend on it.
    on_error: "raise", or "skip" to leave a picture that cannot be read out of its batch, with a warning.
    left_out: the pictures that were left out so far, as numbers of the source; selections of a set share it.
    """

    def __init__(
        self,
        source_of: Source,
        labels: Tensor,
        classes: tuple[str, ...],
        name: str,
        source: str,
        shape: tuple[int, int, int],
        *,
        scaled: bool = True,
        keep: float = 1.0,
        workers: int = 0,
        on_error: OnError = "raise",
    ) -> None:
        if not 0 < keep <= 1 or workers < 0 or on_error not in ("raise", "skip"):
            raise OptionError(
                f"{name}: keep is {keep!r}, workers {workers!r}, on_error {on_error!r}. Expected a share of at most 1, "
                "0 or more, and 'raise' or 'skip'."
            )
        self.source_of, self.labels, self.classes = source_of, labels, classes
        self.name, self.source, self.shape = name, source, shape
        self.scaled, self.keep, self.workers, self.on_error = scaled, keep, workers, on_error
        self.index = torch.arange(len(labels))
        self.left_out: set[int] = set()

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, index: Tensor) -> Pictures:
        """The pictures at `index` (int64, 1-D), in that order."""
        chosen = copy.copy(self)
        chosen.index, chosen.labels = self.index[index.cpu()], self.labels[index.to(self.labels.device)]
        return chosen

    def to(self, device: torch.device | str) -> Pictures:
        """The same pictures, handed out on `device`."""
        moved = copy.copy(self)
        moved.labels = self.labels.to(device)
        return moved

    def read(self, place: int, crop: RandomResizedCrop | None, generator: torch.Generator | None) -> Tensor:
        """One picture, uint8 (C, H, W); raises FormatError that names it."""
        number = int(self.index[place])
        try:
            size = self.shape[1] if self.scaled else None
            picture = self.source_of.open(number)
            pixels = to_pixels(picture, self.shape[0], size, self.keep, crop, generator)
        except MissingExtra:
            raise
        except Exception as error:  # decoders raise almost anything on damaged files
            reason = str(error) or type(error).__name__
            raise FormatError(f"{self.source_of.where(number)}: cannot be read as a picture ({reason}).") from None
        if tuple(pixels.shape) != self.shape:
            raise FormatError(
                f"{self.source_of.where(number)}: has shape {tuple(pixels.shape)}; expected {self.shape}, as the first "
                "picture. Pass a size to scale them all."
            )
        return pixels

    def chunks(self, count: int) -> Iterator[Tensor]:
        """All pictures in order, uint8 (n, C, H, W) with n <= count."""
        from onebit.data._loader import batches

        return (images for images, _ in batches(self, count))

    def first(self, count: int) -> Tensor:
        """The first pictures, uint8 (n, C, H, W) with n <= count."""
        return torch.cat(list(self.select(torch.arange(min(count, len(self)))).chunks(500)))

    def in_memory(self) -> Dataset:
        """All of them, read once."""
        from onebit.data._loader import batches

        images, labels = zip(*batches(self, 500), strict=True)
        return Dataset(torch.cat(images), torch.cat(labels), self.classes, self.name, self.source)


PictureSet = Dataset | Pictures
"""A set in memory, or one that is read."""
