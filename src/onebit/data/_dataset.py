"""A data set in memory: pictures, labels and where they came from. Knows nothing of files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from onebit._errors import DtypeError, OptionError, ShapeError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures and labels of one split, whole in memory.

    images: uint8 (N, C, H, W), raw pixels 0..255.
    labels: int64 (N,), each in 0..len(classes)-1.
    classes: the class names, by label.
    name: the registered name, such as "mnist".
    source: one sentence that says where the pictures came from; results quote it.

    Raises ShapeError or DtypeError when tensors do not have this form, OptionError for a label without a class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    source: str

    def __post_init__(self) -> None:
        for field, tensor, dtype, dims, form in (
            ("images", self.images, torch.uint8, 4, "(N, C, H, W)"),
            ("labels", self.labels, torch.int64, 1, "(N,)"),
        ):
            if tensor.dtype != dtype:
                raise DtypeError(f"Dataset {self.name!r}: {field} have dtype {tensor.dtype}; expected {dtype} {form}.")
            if tensor.dim() != dims:
                raise ShapeError(f"Dataset {self.name!r}: {field} have shape {tuple(tensor.shape)}; expected {form}.")
        if len(self.images) != len(self.labels):
            raise ShapeError(f"Dataset {self.name!r}: {len(self.images)} images but {len(self.labels)} labels.")
        if len(self.labels) == 0:
            return
        low, high, count = int(self.labels.min()), int(self.labels.max()), len(self.classes)
        if low < 0 or high >= count:
            raise OptionError(
                f"Dataset {self.name!r}: labels run from {low} to {high}; its {count} classes are 0..{count - 1}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the pictures."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, index: Tensor) -> Dataset:
        """The pictures at `index` (int64, 1-D), in that order."""
        index = index.to(self.labels.device)
        return dataclasses.replace(self, images=self.images[index], labels=self.labels[index])

    def to(self, device: torch.device | str) -> Dataset:
        """The same set with its tensors on `device`."""
        return dataclasses.replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def chunks(self, count: int) -> Iterator[Tensor]:
        """All pictures in order, uint8 (n, C, H, W) with n <= count."""
        return iter(torch.split(self.images, count))

    def first(self, count: int) -> Tensor:
        """The first pictures, uint8 (n, C, H, W) with n <= count."""
        return self.images[:count]
