"""Batches of a data set in memory, by vectorised selection and augmentation. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.data._augment import Augment
from onebit.data._dataset import Dataset
from onebit.data._pictures import PictureSet


class Batches:
    """The batches of one set, to be iterated once per epoch; made by `batches`.

    An epoch is decided by one number, which is drawn when its iteration begins: the order by that number, the
    augmentation of a batch by that number and the batch's place. So a saved position costs nothing to go on from.
    """

    def __init__(
        self,
        dataset: PictureSet,
        batch_size: int,
        shuffle: bool,
        generator: torch.Generator | None,
        drop_last: bool,
        augment: Augment | None,
        part: tuple[int, int],
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"batch_size is {batch_size}; expected 1 or more.")
        if generator is not None and not shuffle and augment is None:
            raise OptionError(
                "A generator was given but shuffle is False, so it would do nothing; pass shuffle=True or augment."
            )
        if not 0 <= part[0] < part[1]:
            raise OptionError(f"part is {part}; expected (i, n) with 0 <= i < n.")
        self.dataset, self.batch_size, self.shuffle, self.generator = dataset, batch_size, shuffle, generator
        self.drop_last, self.augment, self.part = drop_last, augment, part
        self._seed = self._position = 0
        self._restored = False

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        dataset = self.dataset
        if not isinstance(dataset, Dataset) or (self.augment and any(step.on_reading for step in self.augment.steps)):
            raise OptionError("random-resized-crop is for pictures that are read; these are in memory: use crop.")
        self._begin()
        order = self._order()
        if order is not None:
            order = order.to(dataset.labels.device)
        for number in range(self._position, len(self)):
            chosen: slice | Tensor = self._slice(number)
            if order is not None:
                chosen = order[chosen]
            images, labels = dataset.images[chosen], dataset.labels[chosen]
            if self.augment is not None:
                images = self.augment.apply(images, self._count(number), batch_generator(self._seed, number), self.part)
            self._position = number + 1
            yield images, labels

    def skip(self, count: int) -> Batches:
        """This object, whose next iteration leaves out the first `count` batches without making them."""
        if not 0 <= count <= len(self):
            raise OptionError(f"{count} batches cannot be skipped; expected 0 to {len(self)}.")
        self._begin()
        self._position, self._restored = count, True
        return self

    @property
    def position(self) -> int:
        """How many batches of the epoch are behind: handed out, or without a picture that can be read."""
        return self._position

    def state_dict(self) -> dict[str, Any]:
        """The number that decides this epoch, how many of its batches were handed out, and the generator's state."""
        generator = None if self.generator is None else self.generator.get_state()
        return {"seed": self._seed, "position": self._position, "generator": generator}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where `state` was taken, and the ones behind it be what they would have been."""
        self._seed, self._position, self._restored = state["seed"], state["position"], True
        if self.generator is not None and state["generator"] is not None:
            self.generator.set_state(state["generator"])

    def _begin(self) -> None:
        """Draw the number of a new epoch, unless an epoch is to be gone on with."""
        if not self._restored:
            random = self.shuffle or self.augment is not None
            self._seed = int(torch.randint(1 << 62, (), generator=self.generator)) if random else 0
            self._position = 0
        self._restored = False

    def _order(self) -> Tensor | None:
        """The order is always drawn on the CPU: the same seed gives the same one on every device."""
        return torch.randperm(len(self.dataset), generator=batch_generator(self._seed, -1)) if self.shuffle else None

    def _slice(self, number: int) -> slice:
        """This part's places in the order, for the batch of that number."""
        first = number * self.batch_size
        return slice(first + self.part[0], first + self._count(number), self.part[1])

    def _count(self, number: int) -> int:
        """How many pictures that batch has, all parts together."""
        return min(self.batch_size, len(self.dataset) - number * self.batch_size)


def batch_generator(seed: int, number: int) -> torch.Generator:
    """A generator for one batch of one epoch. Neighbouring numbers are spread by the finalizer of SplitMix64."""
    mixed = (seed + (number + 2) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return torch.Generator().manual_seed((mixed ^ (mixed >> 31)) >> 1)
