from __future__ import annotations

from collections.abc import Callable
from ctypes import c_uint32, c_uint64

import pytest
import torch

from onebit import bits
from onebit.ops.cuda import _launch
from onebit.ops.cuda._sources import Kernel


def test_row_sums_are_popcounts(software_gpu: Callable) -> None:
    software_gpu((9, 0))
    packed = bits.pack(torch.randn(70, 130, generator=torch.Generator().manual_seed(0)))
    assert _launch.row_sums(packed.words).tolist() == (bits.unpack(packed) < 0).sum(1).tolist()


@pytest.mark.parametrize(("kind", "dtype"), [(2, torch.bfloat16), (3, torch.float16)])
def test_half_precision_packs_by_the_same_rule(software_gpu: Callable, kind: int, dtype: torch.dtype) -> None:
    software_gpu((8, 0))
    x = torch.randn(5, 130, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[0, :6] = torch.tensor([0.0, -0.0, float("nan"), -float("nan"), float("inf"), -float("inf")])
    words = torch.empty(5, 3, dtype=torch.int64)
    kernel = Kernel("pack", "onebit_pack", (("OB_INPUT", kind),))
    _launch.simple(kernel, (x, words), ((c_uint64, 5), (c_uint32, 130)), 15 * 8)
    assert torch.equal(words, bits.pack(x.float()).words)


def test_operands_are_dense_and_aligned() -> None:
    memory = torch.arange(64, dtype=torch.uint8)
    whole = _launch.aligned(memory)
    assert whole.data_ptr() == memory.data_ptr()
    moved = _launch.aligned(memory[1:])
    assert moved.data_ptr() % 16 == 0
    assert torch.equal(moved, memory[1:])
    assert _launch.aligned(memory.view(8, 8).t()).is_contiguous()
