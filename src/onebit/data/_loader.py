"""`batches`: one way to the batches of every set, in memory or read when needed."""

from __future__ import annotations

import torch

from onebit.data._augment import Augment
from onebit.data._batches import Batches
from onebit.data._pictures import Pictures, PictureSet
from onebit.data._reading import PictureBatches


def batches(
    dataset: PictureSet,
    batch_size: int,
    *,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
    drop_last: bool = False,
    augment: Augment | None = None,
    part: tuple[int, int] = (0, 1),
) -> Batches:
    """An iterable of (images uint8 (B, C, H, W), labels int64 (B,)); `len()` of it is the number of batches.

    shuffle: every iteration draws a new order from `generator`, a CPU generator (torch's default one if None), so a
        seeded generator makes the whole sequence of epochs deterministic, augmentation included, on every device.
    drop_last: leave out a last batch that is smaller than `batch_size`.
    augment: what changes the pictures at random, see `augment`.
    part: (i, n) yields the pictures i, i + n, i + 2 n, ... of every batch: the share of one of n processes. Together
        they have exactly the pictures that one process would have.

    `state_dict` and `load_state_dict` save and restore the place in an epoch. Raises OptionError for a batch_size or
    part out of range and for a generator that nothing would use.
    """
    kind = PictureBatches if isinstance(dataset, Pictures) else Batches
    return kind(dataset, batch_size, shuffle, generator, drop_last, augment, part)  # type: ignore[arg-type]
