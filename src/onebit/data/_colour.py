"""Random changes of colour, those of BinaryNet.pytorch: jitter, and noise along the principal colours."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.data._augment import AUGMENTATIONS, Augmentation, Drawn

GREY = (0.299, 0.587, 0.114)  # luma of red, green, blue (BT.601)

# Principal components of ImageNet's colours in 0..1 (Krizhevsky, Sutskever, Hinton 2012): values, vectors by column.
VALUES = (0.2175, 0.0188, 0.0045)
VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def _coloured(name: str, images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        raise ShapeError(f"{name}: pictures have {images.shape[1]} channels. Expected 3: red, green, blue.")
    return images.to(torch.float32)


@AUGMENTATIONS.register("colour")
class Colour(Augmentation):
    r"""Brightness, contrast and saturation, each by its own random factor f in 1 - v .. 1 + v.

    brightness: x f      contrast: x f + m (1 - f)      saturation: x f + g (1 - f)
    with g the picture in grey and m the mean of g. Each is linear and keeps g of g, g of m and m of g what they are, so
    they commute: in any order they are a x + b g + c m, with a = fb fc fs, b = fb fc (1 - fs), c = fb (1 - fc).
    """

    def __init__(self, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4) -> None:
        self.ranges = (brightness, contrast, saturation)
        if any(not 0 <= one <= 1 for one in self.ranges):
            raise OptionError(f"colour: brightness, contrast and saturation are {self.ranges}. Expected 0 to 1 each.")

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Drawn:  # noqa: ARG002
        """The numbers a, b, c of each picture."""
        factors = 1 + (2 * torch.rand(count, 3, generator=generator) - 1) * torch.tensor(self.ranges)
        brightness, contrast, saturation = factors.unbind(1)
        a = brightness * contrast * saturation
        b = brightness * contrast * (1 - saturation)
        return {"weights": torch.stack([a, b, brightness * (1 - contrast)], 1)}

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Sum up a x + b g + c m."""
        x = _coloured("colour", images)
        a, b, c = drawn["weights"].T[:, :, None, None, None]
        red, green, blue = x.unbind(1)
        g = (red * GREY[0] + green * GREY[1] + blue * GREY[2])[:, None]
        changed: Tensor = x * a + (g * b + g.mean((2, 3), keepdim=True) * c)
        return changed


@AUGMENTATIONS.register("lighting")
class Lighting(Augmentation):
    r"""x + 255 sum_j v_j l_j alpha_j with alpha_j ~ N(0, std^2): v_j and l_j are the principal colours of ImageNet."""

    def __init__(self, std: float = 0.1) -> None:
        if not std >= 0:
            raise OptionError(f"lighting: std is {std!r}. Expected 0 or more.")
        self.std = std

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Drawn:  # noqa: ARG002
        """What is added to red, green and blue."""
        alpha = torch.randn(count, 3, generator=generator) * self.std
        return {"added": 255 * (alpha * torch.tensor(VALUES)) @ torch.tensor(VECTORS).T}

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Add it."""
        return _coloured("lighting", images) + drawn["added"][:, :, None, None]
