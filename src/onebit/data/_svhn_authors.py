"""The validation pictures of SVHN that the authors' runs held out, picture by picture."""

from __future__ import annotations

import numpy as np
import torch

from onebit._errors import OptionError
from onebit.data._pictures import PictureSet

PARTS = (73_257, 531_131)  # pictures of train and of extra
EACH = (400, 200)  # of every digit that are held out of them
_DIGITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)  # in the order of the files' labels, where 10 stands for the digit 0
_SEED = 322


def split_as_authors(
    pictures: PictureSet, parts: tuple[int, int] = PARTS, each: tuple[int, int] = EACH
) -> tuple[PictureSet, PictureSet]:
    """(training, validation) parts of svhn's "train+extra": 598,388 pictures, and 400 + 200 of each digit.

    They are drawn as the authors' data library did: one generator, numpy's RandomState(322), shuffles the places of a
    digit in turn, first in the one part, then in the other, and the first of them are held out. Both parts keep the
    order of the set. parts, each: for other sets in two parts.
    Raises OptionError if the set is another or has too few pictures of a digit. Source: arXiv:1602.02830.
    """
    if len(pictures) != sum(parts):
        raise OptionError(
            f"{pictures.name} has {len(pictures):,} pictures here. The authors' validation pictures are among the "
            f"{sum(parts):,} of svhn's split train+extra; choose that, or another way to hold pictures out."
        )
    labels, generator = pictures.labels.cpu().numpy(), np.random.RandomState(_SEED)
    chosen = torch.zeros(len(pictures), dtype=torch.bool)
    for first, count, held_out in zip((0, parts[0]), parts, each, strict=True):
        part = labels[first : first + count]
        for digit in _DIGITS:
            places = np.nonzero(part == digit)[0]
            if len(places) <= held_out:
                raise OptionError(f"{pictures.name}: {len(places)} pictures of {digit}; expected more than {held_out}.")
            generator.shuffle(places)
            chosen[torch.from_numpy(first + places[:held_out])] = True
    return pictures.select((~chosen).nonzero()[:, 0]), pictures.select(chosen.nonzero()[:, 0])
