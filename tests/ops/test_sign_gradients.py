"""sign_gradients is exact: the float64 gradients of the rounded upstream gradient, on every instruction set."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from onebit._errors import DtypeError, NativeError, OptionError, ShapeError
from onebit.ops import native, pack, sign_gradients

ISAS = native.available_isas("gradient_x")
SAME = ([1, 1], [1, 1, 1, 1], [1, 1], 0)  # stride, padding, dilation, pad value of a 3 x 3 that keeps the size
ALL = ([True, True], [True, True])
NEAREST = -1


def uniform(seed: int, count: int) -> torch.Tensor:
    """The numbers in [0, 1) that onebit.h speaks of, here of a hash in 64-bit arithmetic."""
    low = 0xFFFFFFFF
    h = (torch.arange(count) * 0x9E3779B1 + seed) & low
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & low
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & low
    return ((h ^ (h >> 16)) >> 8).float() * 2.0**-24


def rounded(g: torch.Tensor, largest: torch.Tensor, seed: int) -> torch.Tensor:
    """G as whole numbers of steps of largest / 127."""
    many = torch.tensor(127.0)  # a tensor: a number divided by a tensor is a product with its inverse
    v = g * torch.where(largest >= 1e-30, many / largest, torch.zeros_like(largest))
    return v.round() if seed == NEAREST else (v + uniform(seed, g.numel()).view(g.shape)).floor().clamp(max=127)


def obvious(g, x, w, stride, padding, dilation, pad_value, windows, wanted, seed):
    """Both gradients by torch in float64."""
    top, bottom, left, right = padding
    xs, ws = (torch.where(v < 0, -1.0, 1.0).double().permute(0, 3, 1, 2) for v in (x, w))
    xs = F.pad(xs, [left, right, top, bottom], value=pad_value)
    found = []
    for which, dims in enumerate([(1, 2, 3), (0, 1, 2)]):
        largest = g.abs().amax(dims, keepdim=True)
        q = rounded(g, largest, seed).double().permute(0, 3, 1, 2)
        mask = [which == 0, which == 1, False]
        sums = torch.ops.aten.convolution_backward(q, xs, ws, None, stride, [0, 0], dilation, False, [0, 0], 1, mask)
        y = sums[which].permute(0, 2, 3, 1)
        if which == 0:
            y = y[:, top : top + x.shape[1], left : left + x.shape[2]]
        step = (largest / torch.tensor(127.0)).view(-1, 1, 1, 1)
        values = (x, w)[which]
        found.append(y.float() * step * (values.abs() <= 1 if windows[which] else 1.0))
    return [one if want else one.new_empty(0) for one, want in zip(found, wanted, strict=True)]


def operands(batch, size, c, n, kernel, geometry=SAME, seed=0):
    """An upstream gradient, x and w of a convolution; x and w lie around the window's edges."""
    draw = torch.Generator().manual_seed(seed)
    x, w = (torch.randn(shape, generator=draw) for shape in ((batch, *size, c), (n, *kernel, c)))
    (down, right), (top, bottom, left, side), (tall, wide), _ = geometry
    height = (size[0] + top + bottom - tall * (kernel[0] - 1) - 1) // down + 1
    width = (size[1] + left + side - wide * (kernel[1] - 1) - 1) // right + 1
    return torch.randn(batch, height, width, n, generator=draw), x, w


def run(g, x, w, *rest):
    return sign_gradients(g, x, w, pack(x), pack(w), *rest)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    st.tuples(st.integers(1, 4), st.tuples(st.integers(7, 10), st.integers(7, 10))),
    st.tuples(st.sampled_from([1, 5, 63, 64, 65, 130]), st.sampled_from([1, 4, 15, 16, 17, 40])),
    pairs, pairs, st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from([(1, 1), (2, 1), (1, 2)]),
    st.sampled_from([0, 1, -1]), st.tuples(*[st.booleans()] * 4), st.sampled_from([NEAREST, 0, 7, 2**32 - 1]),
)  # fmt: skip
def test_it_is_the_gradient_of_the_rounded_upstream(
    isa, pictures, channels, kernel, stride, padding, dilation, pad_value, flags, seed
):
    geometry = (list(stride), list(padding), list(dilation), pad_value)
    values = operands(*pictures, *channels, kernel, geometry)
    rest = (*geometry, list(flags[:2]), list(flags[2:]), seed)
    with native.force(isa):
        found = run(*values, *rest)
        assert native.ran("gradient_x") in (isa, "")
    for one, expected in zip(found, obvious(*values, *rest), strict=True):
        assert torch.equal(one, expected)


def one_of_four(g: torch.Tensor) -> torch.Tensor:
    """G as it comes out of a max pool of 2 x 2: the largest of each window, zeros elsewhere."""
    height, width = (size // 2 * 2 for size in g.shape[1:3])
    windows = g[:, :height, :width].unflatten(1, (-1, 2)).unflatten(3, (-1, 2))
    kept = torch.zeros_like(g)
    largest = windows.amax((2, 4), keepdim=True)
    kept[:, :height, :width] = torch.where(windows == largest, windows, 0.0).flatten(1, 2).flatten(2, 3)
    return kept


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    st.tuples(st.integers(1, 9), st.tuples(st.integers(2, 24), st.integers(2, 24))),
    st.tuples(st.sampled_from([1, 5, 63, 64, 65, 130]), st.sampled_from([1, 4, 15, 16, 17, 40])),
    st.sampled_from([0, 1, -1]), st.tuples(*[st.booleans()] * 4),
)  # fmt: skip
def test_gradients_from_behind_a_max_pool_are_the_same_sums(isa, pictures, channels, pad_value, flags):
    geometry = ([1, 1], [1, 1, 1, 1], [1, 1], pad_value)
    g, x, w = operands(*pictures, *channels, (3, 3), geometry)
    rest = (*geometry, list(flags[:2]), list(flags[2:]), NEAREST)
    g = one_of_four(g)
    with native.force(isa):
        found = run(g, x, w, *rest)
    for one, expected in zip(found, obvious(g, x, w, *rest), strict=True):
        assert torch.equal(one, expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(30, 30), (23, 41), (4, 220)])  # cut into strips of windows
def test_large_pictures_from_behind_a_max_pool_too(isa, size):
    g, x, w = operands(2, size, 70, 20, (3, 3))
    g = one_of_four(g)
    with native.force(isa):
        found = run(g, x, w, *SAME, *ALL, NEAREST)
    for one, expected in zip(found, obvious(g, x, w, *SAME, *ALL, NEAREST), strict=True):
        assert torch.equal(one, expected)


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (6, 2), (2, 8)])
def test_one_more_gradient_in_a_window_or_outside_of_all_counts(place):
    g, x, w = operands(3, (7, 9), 70, 20, (3, 3))
    g = one_of_four(g)
    g[2, place[0], place[1], 11] += 0.5
    found = run(g, x, w, *SAME, *ALL, NEAREST)
    for one, expected in zip(found, obvious(g, x, w, *SAME, *ALL, NEAREST), strict=True):
        assert torch.equal(one, expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("largest", [1.0, -1.0])
@pytest.mark.parametrize("signs", [(1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1)])
def test_sums_as_large_as_they_get_do_not_wrap(isa, signs, largest):
    """Every term of a sum has one sign, and there are more terms than sums of 16 bits hold."""
    n, shape = 272, (3, 12, 12, 5)
    grid = torch.tensor(signs).float().outer(torch.tensor(signs))
    x = grid.repeat(3, 3)[None, :, :, None].expand(shape).contiguous()
    w = grid[:3, :3].reshape(1, 3, 3, 1).expand(n, 3, 3, shape[-1]).contiguous()
    everywhere = torch.full((*shape[:3], n), largest)
    places = [torch.zeros(2, 2) for _ in range(4)]
    for i, place in enumerate(places):
        place.view(-1)[i] = 1.0
    for mask in [torch.ones(2, 2), *places]:
        g = everywhere * mask.repeat(6, 6)[None, :, :, None]
        with native.force(isa):
            found = run(g, x, w, *SAME, *ALL, NEAREST)
        for one, expected in zip(found, obvious(g, x, w, *SAME, *ALL, NEAREST), strict=True):
            assert torch.equal(one, expected)


@pytest.mark.parametrize("isa", ISAS)
def test_a_linear_layer_is_a_picture_of_one_place_for_each_row(isa):
    g, x, w = operands(70, (1, 1), 300, 77, (1, 1), geometry := ([1, 1], [0, 0, 0, 0], [1, 1], 0))
    with native.force(isa):
        found = run(g, x, w, *geometry, *ALL, NEAREST)
    for one, expected in zip(found, obvious(g, x, w, *geometry, *ALL, NEAREST), strict=True):
        assert torch.equal(one, expected)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("seed", [NEAREST, 3])
def test_the_number_of_threads_cannot_be_seen(seed, pooled):
    g, *others = operands(5, (13, 11), 130, 48, (3, 3))
    values = one_of_four(g) if pooled else g, *others
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(run(*values, *SAME, *ALL, seed))
    torch.set_num_threads(2)
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


def test_a_seed_decides_and_seeds_differ():
    values = operands(2, (6, 6), 64, 16, (3, 3))
    first, again, other, nearest = (run(*values, *SAME, *ALL, seed)[1] for seed in (5, 5, 6, NEAREST))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, nearest)


def test_the_error_is_at_most_half_a_step_for_each_term():
    g, x, w = operands(2, (6, 6), 64, 16, (3, 3))
    windows, wanted = [False, False], [True, True]
    found = run(g, x, w, *SAME, windows, wanted, NEAREST)
    xs, ws = (torch.where(v < 0, -1.0, 1.0).double().permute(0, 3, 1, 2) for v in (x, w))
    exact = torch.ops.aten.convolution_backward(
        g.double().permute(0, 3, 1, 2), xs, ws, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False]
    )
    steps = g.abs().amax() / 127
    for one, true, terms in zip(found, exact, (9 * 16, 2 * 36), strict=False):
        error = (one - true.permute(0, 2, 3, 1)).abs().max()
        assert 0 < error <= 0.5001 * steps * terms


def test_random_rounding_has_the_mean_of_the_gradient():
    g = torch.full((1, 1, 1, 2), 0.3)
    g[0, 0, 0, 1] = 127.0  # so that a step is 1 for x; sign(w) = (+1, -1)
    x, w = torch.zeros(1, 1, 1, 1), torch.tensor([0.5, -0.5]).view(2, 1, 1, 1)
    geometry = ([1, 1], [0, 0, 0, 0], [1, 1], 0)
    found = torch.stack([run(g, x, w, *geometry, *ALL, seed)[0] for seed in range(2000)])
    assert set(found.flatten().tolist()) == {-127.0, -126.0}
    assert abs(found.mean().item() - (0.3 - 127)) < 0.04  # the deviation of such a mean is 0.010


@pytest.mark.parametrize("isa", ISAS)
def test_the_largest_gradient_stays_127_steps_where_its_product_was_rounded_up(isa):
    largest, seed = torch.tensor(0.5605056881904602), 111156
    assert (largest * (torch.tensor(127.0) / largest) + uniform(seed, 1)).item() == 128.0
    g, one = largest.view(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    with native.force(isa):
        found = run(g, one, one, [1, 1], [0, 0, 0, 0], [1, 1], 0, *ALL, seed)
    assert [gradient.item() for gradient in found] == [(127 * (largest / torch.tensor(127.0))).item()] * 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_shows_in_its_picture_and_channel(bad):
    g, x, w = operands(3, (4, 4), 8, 5, (3, 3))
    g[1, 2, 2, 3] = bad
    gx, gw = run(g, x, w, *SAME, [False, False], [True, True], NEAREST)
    assert [not one.isfinite().any() for one in gx] == [False, True, False]
    assert [not one.isfinite().any() for one in gw] == [False, False, False, True, False]
    assert gx[0].isfinite().all()


def test_zeros_and_empty_batches_give_zeros():
    g, x, w = operands(2, (4, 4), 8, 5, (3, 3))
    assert not any(one.any() for one in run(torch.zeros_like(g), x, w, *SAME, *ALL, NEAREST))
    gx, gw = run(g[:0], x[:0], w, *SAME, *ALL, NEAREST)
    assert gx.shape == (0, 4, 4, 8)
    assert not gw.any()


def test_wrong_arguments_are_named():
    g, x, w = operands(2, (4, 4), 8, 5, (3, 3))
    with pytest.raises(DtypeError, match="upstream has dtype"):
        run(g.double(), x, w, *SAME, *ALL, NEAREST)
    with pytest.raises(ShapeError, match="upstream has shape"):
        run(g[:, 1:], x, w, *SAME, *ALL, NEAREST)
    with pytest.raises(ShapeError, match="x has 7 channels and w 8"):
        run(g, x[..., 1:], w, *SAME, *ALL, NEAREST)
    with pytest.raises(ShapeError, match="expected 4 dimensions"):
        run(g, x[0], w, *SAME, *ALL, NEAREST)
    with pytest.raises(ShapeError, match="w_words has shape"):
        sign_gradients(g, x, w, pack(x), pack(w)[1:], *SAME, *ALL, NEAREST)
    with pytest.raises(DtypeError, match="x_words has dtype"):
        sign_gradients(g, x, w, pack(x).double(), pack(w), *SAME, *ALL, NEAREST)
    with pytest.raises(OptionError, match="seed is -2"):
        run(g, x, w, *SAME, *ALL, -2)
    with pytest.raises(NativeError, match="pad value"):
        run(g, x, w, *SAME[:3], 2, *ALL, NEAREST)


def test_its_fake_has_the_shapes_of_its_results():
    values = operands(2, (4, 4), 8, 5, (3, 3))
    arguments = (*values, *(pack(v) for v in values[1:]), *SAME, [True, False], [True, False], NEAREST)
    torch.library.opcheck(sign_gradients, arguments, test_utils=("test_schema", "test_faketensor"))
