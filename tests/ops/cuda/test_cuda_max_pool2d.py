from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from onebit import bits
from onebit.bits import _reference_conv as reference
from onebit.bits._window import Padding, Window
from onebit.ops.cuda._max_pool2d import max_pool2d

# batch, height, width, c, kernel, stride, padding
SHAPES = [
    (1, 1, 1, 1, (1, 1), (1, 1), (0, 0, 0, 0)),
    (2, 7, 8, 130, (2, 2), (2, 2), (0, 0, 0, 0)),
    (1, 5, 6, 64, (3, 2), (2, 1), (1, 2, 0, 1)),
    (3, 6, 4, 65, (3, 3), (1, 3), (2, 0, 1, 2)),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_pooling_is_the_definition(software_gpu: Callable, shape: tuple[Any, ...]) -> None:
    software_gpu((8, 0))
    batch, height, width, c, kernel, stride, padding = shape
    g = torch.Generator().manual_seed(c)
    x = bits.pack(torch.randn(batch, height, width, c, generator=g) + 0.7)
    minimum = bits.pack(torch.randn(c, generator=g)).words
    expected = reference.max_pool2d(x, Window(kernel, stride, Padding(*padding)), minimum)
    assert torch.equal(max_pool2d(x.words, c, kernel, stride, padding, minimum), expected.words)
    assert max_pool2d(x.words[:0], c, kernel, stride, padding, minimum).shape[0] == 0
