from __future__ import annotations

from collections.abc import Callable

import torch

from onebit import bits
from onebit.ops.cuda import _launch


def test_row_sums_are_popcounts(software_gpu: Callable) -> None:
    software_gpu((9, 0))
    packed = bits.pack(torch.randn(70, 130, generator=torch.Generator().manual_seed(0)))
    assert _launch.row_sums(packed.words).tolist() == (bits.unpack(packed) < 0).sum(1).tolist()


def test_operands_are_dense_and_aligned() -> None:
    memory = torch.arange(64, dtype=torch.uint8)
    whole = _launch.aligned(memory)
    assert whole.data_ptr() == memory.data_ptr()
    moved = _launch.aligned(memory[1:])
    assert moved.data_ptr() % 16 == 0
    assert torch.equal(moved, memory[1:])
    assert _launch.aligned(memory.view(8, 8).t()).is_contiguous()
