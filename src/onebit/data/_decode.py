"""From one picture, however it comes, to pixels: uint8 (C, size, size). Knows nothing of data sets and folders.

A picture is cut and scaled in one step: a box of it becomes a square of pixels (bilinear, antialiased).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from onebit._errors import FormatError, MissingExtra, OptionError
from onebit.data._augment import AUGMENTATIONS, Augmentation, Drawn

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]  # left, upper, right, lower
MODES = {1: "L", 3: "RGB"}
TRIES = 10


@AUGMENTATIONS.register("random-resized-crop")
class RandomResizedCrop(Augmentation):
    """A random box of the picture as it is stored, scaled to the size of the set; only for pictures that are read.

    scale: bounds of the box's share of the area, drawn evenly.  ratio: bounds of width / height, drawn evenly in the
    logarithm. After ten boxes that do not fit it is the largest centred one within the ratio. arXiv:1409.4842
    """

    on_reading = True

    def __init__(self, scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)) -> None:
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise OptionError(f"random-resized-crop: scale is {scale}, ratio {ratio}. Expected two ascending pairs.")
        self.scale, self.ratio = tuple(scale), tuple(ratio)

    def box(self, width: int, height: int, generator: torch.Generator) -> Box:
        """A box in whole pixels."""
        drawn = torch.rand(TRIES, 4, generator=generator, dtype=torch.float64).tolist()
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for for_area, for_ratio, for_left, for_top in drawn:
            area = width * height * (self.scale[0] + (self.scale[1] - self.scale[0]) * for_area)
            ratio = math.exp(low + (high - low) * for_ratio)
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(for_left * (width - w + 1)), int(for_top * (height - h + 1))
                return left, top, left + w, top + h
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Drawn:  # noqa: ARG002
        """Nothing: pictures that are read draw one by one."""
        return {}

    def apply(self, images: Tensor, drawn: Drawn) -> Tensor:  # noqa: ARG002
        """Nothing more: it was done on reading."""
        return images


def centre_box(width: int, height: int, keep: float) -> Box:
    """The centred square whose side is that share of the shorter side."""
    side = keep * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def to_pixels(
    picture: Any,
    channels: int,
    size: int | None,
    keep: float,
    crop: RandomResizedCrop | None,
    generator: torch.Generator | None,
) -> Tensor:
    """Uint8 (channels, size, size), or of the picture's own size if that is None.

    picture: of Pillow, or an array or tensor: uint8 or 0..1, (H, W), (H, W, C) for arrays, (C, H, W) for tensors.
    crop: the random box, drawn from `generator`; None takes `centre_box`.
    """
    if isinstance(picture, (np.ndarray, Tensor)):
        pixels = _from_array(picture)
        if size is None:
            return _with_channels(pixels, channels)
        picture = _pillow().fromarray(pixels.permute(1, 2, 0).squeeze(2).numpy())
    image: Image.Image = _eight_bits(picture).convert(MODES[channels])
    if size is not None:
        if crop is not None and generator is not None:
            box = crop.box(image.width, image.height, generator)
        else:
            box = centre_box(image.width, image.height, keep)
        image = image.resize((size, size), _pillow().Resampling.BILINEAR, box)
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, channels).permute(2, 0, 1).contiguous()


def channels_of(picture: Any) -> int:
    """1 for a grey picture, else 3."""
    if isinstance(picture, (np.ndarray, Tensor)):
        return 1 if _from_array(picture).shape[0] == 1 else 3
    return 1 if picture.mode in ("1", "L", "I", "I;16", "F") else 3


def open_file(path: str) -> Image.Image:
    """The picture in a file, decoded; raises what Pillow raises."""
    image: Image.Image
    with _pillow().open(path) as image:
        image.load()
    return image


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("Reading pictures needs Pillow. Run: pip install 'onebit[pictures]'") from None
    return Image


def _from_array(picture: np.ndarray[Any, Any] | Tensor) -> Tensor:
    """Uint8 (C, H, W)."""
    pixels = (
        torch.as_tensor(picture) if isinstance(picture, Tensor) else torch.from_numpy(np.ascontiguousarray(picture))
    )
    if pixels.dim() == 2:
        pixels = pixels[None]
    elif pixels.dim() == 3 and isinstance(picture, np.ndarray):
        pixels = pixels.permute(2, 0, 1)
    if pixels.dim() != 3 or pixels.shape[0] not in (1, 3):
        raise FormatError(f"an array of shape {tuple(picture.shape)}; expected 1 or 3 channels")
    if pixels.dtype == torch.uint8:
        return pixels
    if not pixels.is_floating_point():
        raise FormatError(f"an array of {pixels.dtype}; expected uint8, or numbers from 0 to 1")
    whole = (pixels * 255).round()
    if not ((pixels * 255 - whole).abs() < 1e-2).all() or whole.min() < 0 or whole.max() > 255:
        raise FormatError("an array that is not of pixels / 255, so it was normalised; leave that to `preprocess`")
    return whole.to(torch.uint8)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of 16 bits by its upper 8; others as they are. Pillow's conversion makes all above 255 white."""
    if not picture.mode.startswith("I"):  # "I;16" and its byte orders; "I" too, as 16 bits in earlier versions
        return picture
    numbers = np.array(picture)
    if numbers.min() < 0 or numbers.max() > 65535:
        raise FormatError(f"a picture of numbers from {numbers.min()} to {numbers.max()}; expected 8 or 16 bits")
    upper: Image.Image = _pillow().fromarray((numbers // 256).astype(np.uint8))
    return upper


def _with_channels(pixels: Tensor, channels: int) -> Tensor:
    if pixels.shape[0] == channels:
        return pixels.contiguous()
    if channels == 1:
        raise FormatError("a picture in colour among grey ones; pass a size, or convert it")
    return pixels.expand(channels, -1, -1).contiguous()
