"""The reference against sums over taps in Python integers: a second definition, written differently."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits import Packed, pack, unpack
from onebit.bits import _reference_conv as reference
from onebit.bits._window import Padding, Window


@st.composite
def cases(draw):
    """Images up to 5 x 5, kernels that may be larger than the image, every stride, padding, dilation and group."""
    kernel, stride, dilation = (tuple(draw(st.integers(1, high)) for _ in range(2)) for high in (3, 2, 2))
    window = Window(kernel, stride, Padding(*(draw(st.integers(0, 2)) for _ in range(4))), dilation)
    size = [draw(st.integers(1, 5)) for _ in range(2)]
    for axis in (0, 1):  # enough places for the kernel
        padded = size[axis] + sum(window.padding[2 * axis : 2 * axis + 2])
        size[axis] += max(0, dilation[axis] * (kernel[axis] - 1) + 1 - padded)
    groups = draw(st.integers(1, 3))
    c, n = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 2))
    return (draw(st.integers(0, 2)), *size, c), n, groups, window, draw(st.integers(0, 2**31))


def places(window: Window, size: tuple[int, int], at: tuple[int, int]):
    """(tap row, tap column, image row, image column) under the window at this output; None outside of the image."""
    for u, v in itertools.product(*map(range, window.kernel)):
        i = at[0] * window.stride[0] + u * window.dilation[0] - window.padding.top
        j = at[1] * window.stride[1] + v * window.dilation[1] - window.padding.left
        yield (u, v, i, j) if 0 <= i < size[0] and 0 <= j < size[1] else (u, v, None, None)


def sums(x: torch.Tensor, w: torch.Tensor, window: Window, groups: int, pad: int) -> list:
    batch, height, width, c = x.shape
    rows, columns = window.output("conv2d", height, width)
    per_group, per_output, x, w = c // groups, len(w) // groups, x.tolist(), w.tolist()

    def one(b: int, at: tuple[int, int], o: int) -> int:
        first, total = o // per_output * per_group, 0
        for u, v, i, j in places(window, (height, width), at):
            for k in range(per_group):
                total += (pad if i is None else x[b][i][j][first + k]) * w[o][u][v][k]
        return total

    return [
        [[[one(b, (i, j), o) for o in range(len(w))] for j in range(columns)] for i in range(rows)]
        for b in range(batch)
    ]


def operands(shape, n, groups, window, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 2, shape, generator=generator) * 2 - 1
    w = torch.randint(0, 2, (n, *window.kernel, shape[-1] // groups), generator=generator) * 2 - 1
    return x, w, torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(cases(), st.sampled_from([0, 1, -1]))
def test_int32_sums_are_the_integer_sums_over_taps(case, pad):
    _, _, groups, window, _ = case
    x, w, _ = operands(*case)
    y = reference.conv2d_int32(pack(x.float()), pack(w.float()), window, groups, pad)
    expected = sums(x, w, window, groups, pad)
    assert (y.dtype, y.is_contiguous(), y.tolist()) == (torch.int32, True, expected)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(cases(), st.sampled_from([0, 1, -1]), st.integers(-3, 3), st.integers(-300, 300))
def test_pixels_are_scaled_and_moved_but_padding_is_not(case, pad, multiplier, offset):
    _, _, groups, window, _ = case
    _, w, pixels = operands(*case)
    y = reference.conv2d_u8_int32(pixels, pack(w.float()), window, groups, pad, multiplier, offset)
    assert y.tolist() == sums(multiplier * pixels.long() + offset, w, window, groups, pad)


def test_epilogues_are_those_of_dense():
    x, w, pixels = operands((2, 4, 4, 3), 5, 1, window := Window((3, 3), padding=Padding(1, 1, 1, 1)), 7)
    x, w = pack(x.float()), pack(w.float())
    scale, bias = torch.randn(5), torch.randn(5)
    threshold, direction = torch.arange(5, dtype=torch.int32), torch.tensor([1, -1, 1, -1, 1], dtype=torch.int8)
    for y, scaled, bits in (
        (
            reference.conv2d_int32(x, w, window, 1, 0),
            reference.conv2d_float(x, w, window, 1, 0, scale, bias),
            reference.conv2d_bits(x, w, window, 1, 0, threshold, direction),
        ),
        (
            reference.conv2d_u8_int32(pixels, w, window, 1, 1, 2, -255),
            reference.conv2d_u8_float(pixels, w, window, 1, 1, 2, -255, scale, bias),
            reference.conv2d_u8_bits(pixels, w, window, 1, 1, 2, -255, threshold, direction),
        ),
    ):
        assert torch.equal(scaled, y.float() * scale + bias)
        signed, limit = y * direction, threshold * direction  # y <= t is -y >= -t
        assert torch.equal(unpack(bits) > 0, signed >= limit)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(cases())
def test_pooling_takes_the_greatest_or_the_smallest_sign(case):
    (batch, height, width, c), _, _, window, seed = case
    padding = Padding(*(min(p, window.kernel[i // 2] - 1) for i, p in enumerate(window.padding)))
    window = Window(window.kernel, window.stride, padding)
    if height + sum(padding[:2]) < window.kernel[0] or width + sum(padding[2:]) < window.kernel[1]:
        return
    x = operands((batch, height, width, c), 1, 1, window, seed)[0]
    flips = torch.where(torch.arange(c) % 2 == seed % 2, -1.0, 1.0)
    y = unpack(reference.max_pool2d(pack(x.float()), window, pack(flips).words), torch.int64)
    rows, columns = window.output("max_pool2d", height, width)
    assert y.shape == (batch, rows, columns, c)
    for b, i, j, k in itertools.product(range(batch), range(rows), range(columns), range(c)):
        seen = [x[b, r, s, k] for _, _, r, s in places(window, (height, width), (i, j)) if r is not None]
        assert y[b, i, j, k] == (max(seen) if flips[k] > 0 else min(seen))


def test_pooling_before_or_after_a_sign_is_the_same_for_both_signs_of_gamma():
    """sign(g * max(y) + b) is the pooled sign(g * y + b): the maximum where g > 0, the minimum where g < 0."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(-9, 10, (2, 6, 6, 70), generator=generator).float()
    gamma, beta = torch.randn(70, generator=generator), torch.randn(70, generator=generator)
    pooled = torch.nn.functional.max_pool2d(y.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    window = Window((2, 2), (2, 2))
    got = reference.max_pool2d(pack(gamma * y + beta), window, pack(gamma).words)
    assert torch.equal(got.words, pack(gamma * pooled + beta).words)


def test_tail_bits_stay_zero():
    x = pack(-torch.ones(1, 3, 3, 65))
    window = Window((2, 2), padding=Padding(1, 1, 1, 1))
    for flips in (torch.ones(65), -torch.ones(65)):
        Packed.checked(reference.max_pool2d(x, window, pack(flips).words).words, 65)


def test_mismatched_operands_are_refused():
    x, w = pack(torch.ones(1, 5, 5, 6)), pack(torch.ones(4, 3, 3, 3))
    with pytest.raises(ShapeError, match=r"x has shape \(1, 5, 5, 6\) and w \(4, 3, 3, 3\)"):
        reference.conv2d_int32(x, w, Window((3, 3)))
    with pytest.raises(ShapeError, match="groups=2 dividing c and n"):
        reference.conv2d_int32(x, pack(torch.ones(3, 3, 3, 3)), Window((3, 3)), groups=2)
    with pytest.raises(ShapeError, match="expected four dimensions"):
        reference.conv2d_int32(pack(torch.ones(5, 5, 6)), w, Window((3, 3)))
    with pytest.raises(OptionError, match="pad_value is 2"):
        reference.conv2d_int32(x, w, Window((3, 3)), groups=2, pad_value=2)
    with pytest.raises(DtypeError, match=r"expected torch\.uint8"):
        reference.conv2d_u8_int32(torch.ones(1, 5, 5, 3), w, Window((3, 3)))
    with pytest.raises(OptionError, match="reaches a whole kernel"):
        reference.max_pool2d(x, Window((2, 2), padding=Padding(2, 0, 0, 0)), pack(torch.ones(6)).words)
