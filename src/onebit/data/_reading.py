"""Batches of pictures that are read when needed, by as many processes as wanted.

Which pictures make a batch and every random number are decided here, before anything is shared out, so what comes out
does not depend on the number of processes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from onebit._errors import FormatError
from onebit.data._augment import Augment
from onebit.data._batches import Batches, batch_generator
from onebit.data._decode import RandomResizedCrop
from onebit.data._pictures import Pictures

Job = tuple[int, int, int]  # picture, number of the epoch, place in the epoch
Read = tuple[Tensor, str]  # pixels, and what went wrong, if something did


class PictureBatches(Batches):
    """The batches of one set of `Pictures`; see `Batches`."""

    def __init__(
        self,
        pictures: Pictures,
        batch_size: int,
        shuffle: bool,
        generator: torch.Generator | None,
        drop_last: bool,
        augment: Augment | None,
        part: tuple[int, int],
    ) -> None:
        super().__init__(pictures, batch_size, shuffle, generator, drop_last, augment, part)
        self.pictures = pictures

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._begin()
        drawn = self._order()
        order = torch.arange(len(self.pictures)) if drawn is None else drawn
        numbers = range(self._position, len(self))
        plan = [(order[self._slice(number)], self._count(number)) for number in numbers]
        read = self._read([mine for mine, _ in plan], self._position)
        for number, (mine, count), (images, wrong) in zip(numbers, plan, read, strict=True):
            labels = self.pictures.labels[mine]
            images = images.to(labels.device, non_blocking=True)
            if self.augment is not None:
                images = self.augment.apply(images, count, batch_generator(self._seed, number), self.part)
            self._position = number + 1
            if any(wrong):
                good = torch.tensor([not one for one in wrong], device=labels.device)
                images, labels = images[good], labels[good]
            if len(labels):
                yield images, labels

    def _read(self, plan: Sequence[Tensor], first: int) -> Iterator[tuple[Tensor, list[str]]]:
        place, stride = self.part
        jobs = [
            [
                (picture, self._seed, (first + n) * self.batch_size + place + i * stride)
                for i, picture in enumerate(mine.tolist())
            ]
            for n, mine in enumerate(plan)
        ]
        steps = () if self.augment is None else self.augment.steps
        crop = next((step for step in steps if isinstance(step, RandomResizedCrop)), None)
        loader = DataLoader(
            _Reader(self.pictures, crop),
            batch_sampler=jobs,
            num_workers=self.pictures.workers,
            collate_fn=_stack,
            generator=torch.Generator(),  # else it would move torch's global one
        )
        for mine, (images, wrong) in zip(plan, loader, strict=True):
            self._complain(self.pictures.index[mine.cpu()].tolist(), wrong)
            yield images, wrong

    def _complain(self, numbers: Sequence[int], wrong: Sequence[str]) -> None:
        """Each picture that cannot be read is told of once."""
        for number, message in zip(numbers, wrong, strict=True):
            if not message:
                continue
            if self.pictures.on_error == "raise":
                raise FormatError(f"{message} Remove it, or choose on_error='skip' (in a recipe: data.on_error=skip).")
            if number not in self.pictures.left_out:
                self.pictures.left_out.add(number)
                warnings.warn(f"{message} It is left out.", stacklevel=4)


class _Reader(TorchDataset[Read]):
    """What runs in the reading processes. Errors travel as texts: exceptions would lose their form on the way."""

    def __init__(self, pictures: Pictures, crop: RandomResizedCrop | None) -> None:
        self.pictures, self.crop = pictures.to("cpu"), crop

    def __getitem__(self, job: Job) -> Read:
        picture, seed, place = job
        generator = None if self.crop is None else batch_generator(seed, -2 - place)
        try:
            return self.pictures.read(picture, self.crop, generator), ""
        except FormatError as error:
            return torch.zeros(self.pictures.shape, dtype=torch.uint8), str(error)


def _stack(parts: Sequence[Read]) -> tuple[Tensor, list[str]]:
    images, wrong = zip(*parts, strict=True)
    return torch.stack(images), list(wrong)
