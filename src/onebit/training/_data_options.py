"""The section `data` of a recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal

from onebit import data
from onebit.data import PictureSet
from onebit.training._typed import require


@dataclass(frozen=True)
class DataOptions:
    """Which pictures a network is trained on, and what happens to them on the way.

    name: a name of `onebit.data.names()`, or "folder" for pictures of one's own, which lie below `path`.
    split: the split of the set that is trained on, such as svhn's "train+extra".
    size, workers, on_error: of pictures that are read from folders: side in pixels, processes that read ahead, and
        "skip" to leave out a picture that cannot be read, which is said; "raise" stops there.
    validation: how many of its pictures (the last ones) are held out to select the best epoch: a share, or a number
        from 2 on.  balanced: hold out as many of every class; "authors" are the 6,000 that the paper's authors drew
        from svhn's "train+extra".
    augment: random changes of the training pictures, see `onebit.data.augment`: [crop: 4, flip].
    preprocess: what happens to every picture on its way into the network, in use too, see `onebit.data.preprocess`:
        [gcn: 55, zca]. What it learns it learns from the training pictures that are not held out.
    """

    name: str
    split: str = "train"
    validation: float = 1 / 6
    balanced: Literal[True, False, "authors"] = False
    augment: list[Any] = field(default_factory=list)
    preprocess: list[Any] = field(default_factory=list)
    path: str | None = None
    size: int | None = None
    workers: int = 0
    on_error: Literal["raise", "skip"] = "raise"

    def open(self, part: str, root: str | os.PathLike[str] | None, progress: data.Progress | None = None) -> PictureSet:
        """One part of the set, "train" or "test"; see `onebit.data.open_set`."""
        split = self.split if part == "train" else part
        return data.open_set(
            self.name,
            root,
            split,
            path=self.path,
            size=self.size,
            workers=self.workers,
            on_error=self.on_error,
            progress=progress,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the pictures."""
        return (3, self.size, self.size) if self.size is not None else data.picture_shape(self.name)

    def parts(self, whole: PictureSet) -> tuple[PictureSet, PictureSet]:
        """(training, validation) parts."""
        if self.balanced == "authors":
            return data.split_as_authors(whole)
        return data.split(whole, self.held_out(len(whole)), balanced=self.balanced)

    def held_out(self, count: int) -> int:
        """The number of pictures held out of `count`."""
        return max(1, round(count * self.validation)) if self.validation < 1 else round(self.validation)

    def __post_init__(self) -> None:
        share = 0 < self.validation < 1 or (self.validation >= 2 and self.validation == round(self.validation))
        require(share, "data.validation", self.validation, "a share between 0 and 1, or a number of pictures from 2 on")
        require(self.workers >= 0, "data.workers", self.workers, "0 or more")
        theirs = self.balanced != "authors" or (self.split, self.validation) == ("train+extra", 6000)
        require(theirs, "data.balanced", self.balanced, "split: train+extra and validation: 6000 with it")
        data.augment(self.augment)
        data.preprocess(self.preprocess)
