from __future__ import annotations

import torch

from onebit.data import Dataset, adapt, batches


def test_both_kinds_of_sets_give_the_same_batches() -> None:
    images = torch.randint(0, 256, (11, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(11) % 4
    memory = Dataset(images, labels, tuple("abcd"), "toy", "made by a test")
    read = adapt([(image, int(label)) for image, label in zip(images, labels, strict=True)])
    for options in ({}, {"drop_last": True}, {"shuffle": True}, {"part": (1, 2)}):
        pairs = []
        for one in (memory, read):
            torch.manual_seed(0)
            pairs.append(list(batches(one, 4, **options)))
        assert len(pairs[0]) == len(pairs[1]) == len(batches(read, 4, **options))
        for (a, b), (c, d) in zip(*pairs, strict=True):
            assert torch.equal(a, c)
            assert torch.equal(b, d)
