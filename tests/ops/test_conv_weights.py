"""The handle of a convolution's weights gives back the rows it was made of, and nothing else passes for one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import ops
from onebit._errors import DtypeError, NativeError, OptionError, ShapeError
from onebit.bits import pack
from onebit.ops import _front_door

DOORS = [0, 1]


def door(name: str, entry: int):
    return (getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name])[entry]


def rows_of(n: int, per_group: int, kernel: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return pack(torch.randn(n, *kernel, per_group, generator=torch.Generator().manual_seed(seed))).words


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 5), st.integers(1, 140), st.integers(1, 20), st.integers(1, 4), st.integers(1, 4))
def test_unpack_inverts_pack(entry, groups, per_group, per_output, high, wide):
    n, c = groups * per_output, groups * per_group
    rows = rows_of(n, per_group, (high, wide))
    handle = door("pack_conv_weights", entry)(rows, c, groups, [high, wide])
    assert (handle.dtype, handle.dim()) == (torch.uint8, 1)
    assert torch.equal(door("unpack_conv_weights", entry)(handle, n, c, groups, [high, wide]), rows)
    assert torch.equal(door("pack_conv_weights", 1 - entry)(rows, c, groups, [high, wide]), handle)


def test_the_handle_takes_about_one_bit_for_each_weight():
    assert ops.pack_conv_weights(rows_of(512, 512, (3, 3)), 512, 1, [3, 3]).numel() <= 512 * 512 * 9 // 8 + 64


def test_a_handle_is_known_by_its_header():
    handle = ops.pack_conv_weights(rows_of(16, 128, (3, 1)), 128, 1, [3, 1])
    for foreign in (torch.zeros_like(handle), handle.flip(0)):
        with pytest.raises(NativeError, match="onebit::unpack_conv_weights: the weights were not made by"):
            ops.unpack_conv_weights(foreign, 16, 128, 1, [3, 1])
    with pytest.raises(NativeError, match="onebit::unpack_conv_weights: "):  # as many bytes, another kernel
        ops.unpack_conv_weights(handle, 16, 128, 1, [1, 3])
    dense = ops.pack_weights(pack(torch.randn(16, 128)).words, 128)
    single = ops.pack_conv_weights(rows_of(16, 128, (1, 1)), 128, 1, [1, 1])
    if dense.shape == single.shape:  # a handle of a dense layer is no handle of a convolution
        with pytest.raises(NativeError, match="onebit::unpack_conv_weights: "):
            ops.unpack_conv_weights(dense, 16, 128, 1, [1, 1])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((torch.ones(4, 3, 3, 1), 8, 1, [3, 3]), DtypeError, r"rows has dtype torch\.float32"),
        ((torch.zeros(4, 3, 1, dtype=torch.int64), 8, 1, [3, 3]), ShapeError, r"rows has shape \(4, 3, 1\)"),
        ((torch.zeros(4, 3, 2, 1, dtype=torch.int64), 8, 1, [3, 3]), ShapeError, r"expected \(n, 3, 3, "),
        ((torch.zeros(4, 3, 3, 2, dtype=torch.int64), 8, 1, [3, 3]), ShapeError, r"1 for c=8, groups=1"),
        ((torch.zeros(4, 3, 3, 1, dtype=torch.int64), 8, 3, [3, 3]), OptionError, r"groups is 3; expected a divisor"),
        ((torch.zeros(4, 3, 3, 1, dtype=torch.int64), 0, 1, [3, 3]), OptionError, r"n is 4 and c is 0"),
        ((torch.zeros(4, 3, 3, 1, dtype=torch.int64), 8, 1, [3]), OptionError, r"kernel is \[3\]"),
        ((torch.zeros(4, 3, 3, 1, dtype=torch.int64), 8, 1, [3, -3]), OptionError, r"kernel is \[3, -3\]"),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, match):
    with pytest.raises(error, match=f"pack_conv_weights: .*{match}"):
        ops.pack_conv_weights(*arguments)
    with pytest.raises((RuntimeError, error), match="pack_conv_weights: "):
        torch.ops.onebit.pack_conv_weights(*arguments)
    with pytest.raises(error, match=match):
        _front_door._fallbacks["pack_conv_weights"](*arguments)
