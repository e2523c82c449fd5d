"""The pre-packed weight handle gives back the rows it was made of, and nothing else passes for one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import ops
from onebit._errors import NativeError
from onebit.bits import Packed, pack
from onebit.ops import _front_door

DOORS = [0, 1]


def door(name: str, entry: int):
    return (getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name])[entry]


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 140), st.integers(1, 700), st.integers(0, 2**31))
def test_unpack_weights_inverts_pack_weights(entry, n, k, seed):
    rows = pack(torch.randn(n, k, generator=torch.Generator().manual_seed(seed))).words
    handle = door("pack_weights", entry)(rows, k)
    assert (handle.dtype, handle.dim()) == (torch.uint8, 1)
    assert torch.equal(door("unpack_weights", entry)(handle, n, k), rows)


def test_both_front_doors_make_the_same_bytes():
    rows = pack(torch.randn(70, 130)).words
    assert torch.equal(door("pack_weights", 0)(rows, 130), door("pack_weights", 1)(rows, 130))


def test_stray_tail_bits_do_not_reach_the_kernels():
    rows = torch.full((9, 2), -1, dtype=torch.int64)
    handle = ops.pack_weights(rows, 70)
    assert torch.equal(ops.unpack_weights(handle, 9, 70), Packed.checked(pack(-torch.ones(9, 70)).words, 70).words)


def test_the_handle_takes_about_one_bit_for_each_weight():
    assert ops.pack_weights(pack(torch.ones(4096, 4096)).words, 4096).numel() <= 4096 * 4096 // 8 + 64


@pytest.mark.parametrize("n", [1, 70])
def test_a_handle_is_known_by_its_header(n):
    k = 130
    handle = ops.pack_weights(pack(torch.randn(n, k)).words, k)
    x = pack(torch.randn(2, k)).words
    for foreign in (torch.zeros_like(handle), handle.flip(0)):
        with pytest.raises(NativeError, match="onebit::unpack_weights: the weights were not made by"):
            ops.unpack_weights(foreign, n, k)
        with pytest.raises(NativeError, match="onebit::dense_int32: the weights were not made by"):
            ops.dense_int32(x, foreign, n, k)
    with pytest.raises(NativeError, match="made for other sizes"):  # as many bytes, another k
        ops.unpack_weights(handle, n, k + 1)
