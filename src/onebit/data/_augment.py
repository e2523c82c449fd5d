"""Random changes of a batch of training pictures, all pictures of a batch at once, on any device.

Every random number is drawn on the CPU and for the whole batch, so that a seed gives the same pictures on every device
and however a batch is shared out. It knows nothing of files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit._registry import Registry
from onebit.data._steps import build_steps

Drawn = dict[str, Tensor]


class Augmentation(ABC):
    """One kind of random change: what is random is drawn first, on the CPU, then applied on the pictures' device."""

    on_reading: ClassVar[bool] = False  # whether it is done one by one where pictures of any size are read

    @abstractmethod
    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Drawn:
        """Random tensors whose first dimension is `count`, for pictures of that size."""

    @abstractmethod
    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """The changed pictures (N, C, H', W'), from uint8 or, behind a change of colours, float32 in about 0..255."""


AUGMENTATIONS: Registry[Callable[..., Augmentation]] = Registry("augmentation")


class Augment:
    """Augmentations one behind the other: uint8 (N, C, H, W) -> uint8 (N, C, H', W').

    Changes of colour are rounded and clamped to 0..255 once, at the end.
    """

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self.steps = tuple(steps)

    def __call__(self, images: Tensor, generator: torch.Generator, part: tuple[int, int] = (0, 1)) -> Tensor:
        """The changed pictures.

        part: (i, n) if `images` are the pictures i, i + n, i + 2 n, ... of a batch of which the others are changed
            elsewhere with an equal generator; then they come out as if the batch had been whole.
        """
        return self.apply(images, len(images), generator, part)

    def apply(self, images: Tensor, count: int, generator: torch.Generator, part: tuple[int, int]) -> Tensor:
        """The same for a batch of `count` pictures, of which `images` are that part."""
        first, stride = part
        for step in self.steps:
            if step.on_reading:
                continue
            drawn = step.draw(count, images.shape[2], images.shape[3], generator)
            mine = {name: values[first::stride].to(images.device, non_blocking=True) for name, values in drawn.items()}
            images = step.apply(images, mine)
        return images if images.dtype == torch.uint8 else images.round().clamp(0, 255).to(torch.uint8)


def augment(steps: Sequence[Any]) -> Augment:
    """An `Augment` from plain values, as recipes write them: [{"crop": 4}, "flip", {"colour": [0.4, 0.4, 0.4]}].

    The names are flip, crop, colour, lighting and random-resized-crop. Raises UnknownName or OptionError.
    """
    return Augment(build_steps(AUGMENTATIONS, steps, "augment"))


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirror left and right, with that probability."""

    def __init__(self, probability: float = 0.5) -> None:
        if not 0 <= probability <= 1:
            raise OptionError(f"flip: probability is {probability!r}. Expected 0 to 1.")
        self.probability = probability

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Drawn:  # noqa: ARG002
        """Which pictures are mirrored."""
        return {"mirrored": torch.rand(count, generator=generator) < self.probability}

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Mirror them."""
        return torch.where(drawn["mirrored"][:, None, None, None], images.flip(-1), images)


@AUGMENTATIONS.register("crop")
class Crop(Augmentation):
    """A square (or all) of the picture at a random place, after padding every side.

    padding: pixels added on each side.  size: side of the square; None keeps the size of the picture.
    fill: what is added: "zero", that is black, or "reflect", the picture mirrored at its border.
    """

    def __init__(self, padding: int = 0, size: int | None = None, fill: Literal["zero", "reflect"] = "zero") -> None:
        if type(padding) is not int or padding < 0 or (size is not None and (type(size) is not int or size < 1)):
            raise OptionError(f"crop: padding is {padding!r} and size {size!r}. Expected whole numbers >= 0 and >= 1.")
        if fill not in ("zero", "reflect"):
            raise OptionError(f"crop: fill is {fill!r}. Expected 'zero' or 'reflect'.")
        self.padding, self.size, self.fill = padding, size, fill

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        sides = (self.size or height, self.size or width)
        if sides[0] > height + 2 * self.padding or sides[1] > width + 2 * self.padding:
            raise OptionError(
                f"crop: size is {self.size}, padding {self.padding}; pictures of {height} x {width} are "
                "too small for that."
            )
        return sides

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Drawn:
        """The upper left corners."""
        rows, columns = self._sides(height, width)
        return {
            "top": torch.randint(height + 2 * self.padding - rows + 1, (count,), generator=generator),
            "left": torch.randint(width + 2 * self.padding - columns + 1, (count,), generator=generator),
        }

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Cut them out: every window of the padded pictures is a view, of which one is copied for each picture."""
        rows, columns = self._sides(images.shape[2], images.shape[3])
        windows = _padded(images, self.padding, self.fill).unfold(2, rows, 1).unfold(3, columns, 1)
        which = torch.arange(len(images), device=images.device)
        return windows.permute(0, 2, 3, 1, 4, 5)[which, drawn["top"], drawn["left"]]


def _padded(images: Tensor, padding: int, fill: str) -> Tensor:
    if padding == 0:
        return images
    sides = [padding] * 4
    if fill == "zero":
        return torch.nn.functional.pad(images, sides)
    height, width = images.shape[2:]
    if padding >= min(height, width):
        raise OptionError(f"crop: padding is {padding}; a picture of {height} x {width} can be reflected by less.")
    rows, columns = (
        (torch.arange(-padding, side + padding, device=images.device).abs() - (side - 1)).abs().neg() + (side - 1)
        for side in (height, width)
    )
    return images[:, :, rows][:, :, :, columns]
