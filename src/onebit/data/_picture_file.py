"""One picture file as a network wants it, with a sentence about what was changed. Knows nothing of data sets."""

from __future__ import annotations

import os
import warnings

from torch import Tensor

from onebit._errors import DataError, FormatError, OptionError
from onebit.data._decode import MODES, open_file, to_pixels

TRANSPARENT = ("RGBA", "LA", "PA")


def read_picture(path: str | os.PathLike[str], shape: tuple[int, int, int], keep: float = 1.0) -> tuple[Tensor, str]:
    """(uint8 (C, size, size), what was changed on the way: "made grey, scaled from 640x480 to 28x28", or "").

    shape: the (C, size, size) that is wanted.  keep: see `Pictures`; the centred square is cut out, then scaled.
    Transparency becomes white. Raises DataError if there is no such file, FormatError if it is not a picture,
    OptionError if the shape is no square.
    """
    channels, height, width = shape
    if height != width or channels not in MODES:
        raise OptionError(f"{path}: cannot be made {shape}. Expected 1 or 3 channels of a square.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of truncated and of huge files
            image = open_file(os.fspath(path))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Expected a picture file.") from None
    except (OSError, SyntaxError, ValueError, Warning) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise FormatError(f"{path}: is not a picture or damaged ({reason}). Expected PNG, JPEG or the like.") from None
    changes = []
    if image.mode in TRANSPARENT or "transparency" in image.info:
        changes.append("transparency made white")
        image = image.convert("RGBA")
        paper = image.copy()
        paper.paste("white", (0, 0, *image.size))
        paper.alpha_composite(image)
        image = paper.convert("RGB")
    if image.mode != MODES[channels]:
        changes.append({1: "made grey", 3: "made RGB"}[channels])
    if image.size == (width, height):
        return to_pixels(image, channels, None, keep, None, None), ", ".join(changes)
    if image.width != image.height or keep < 1:
        changes.append("cut to the centre")
    changes.append(f"scaled from {image.width}x{image.height} to {width}x{height}")
    return to_pixels(image, channels, width, keep, None, None), ", ".join(changes)
