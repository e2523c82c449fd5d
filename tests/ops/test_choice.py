import math

import pytest
import torch

from onebit._errors import OptionError, ShapeError, UnknownName
from onebit.ops import dense_int32, native, pack, pack_weights

SHAPES = [(1, 10, 64), (1, 4096, 4096), (7, 65, 129), (64, 512, 576), (4096, 4096, 4096)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_choice_is_the_kernel_expected_to_take_least(shape):
    with native.force(None):
        chosen = native.choice("dense", *shape)
    assert list(chosen.nanoseconds) == native.available_isas("dense")
    assert chosen.nanoseconds[chosen.isa] == min(chosen.nanoseconds.values())


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_what_runs_is_the_choice(shape):
    m, n, k = shape
    x, w = pack(torch.ones(m, k)), pack(torch.ones(n, k))
    with native.force(None):
        assert dense_int32(x, pack_weights(w, k), n, k).unique().tolist() == [k]
        assert native.ran("dense") == native.choice("dense", m, n, k).isa


@pytest.mark.parametrize("isa", native.available_isas("dense"))
def test_what_is_forced_is_chosen_and_estimates_stay(isa):
    before = native.choice("dense", *SHAPES[2])
    with native.force(isa):
        assert native.choice("dense", *SHAPES[2]) == before._replace(isa=isa)


def test_more_threads_never_take_longer():
    one, two = (native.choice("dense", *SHAPES[-1], threads=threads).nanoseconds for threads in (1, 2))
    assert all(two[isa] <= one[isa] for isa in one)


def test_a_convolution_is_the_product_of_its_windows():
    conv = native.conv2d_choice((56, 56), 64, 32, (3, 3), batch=2, padding=(1, 1, 1, 1))
    assert conv.nanoseconds == native.choice("conv2d", 2 * 56 * 56, 32, 64 * 9).nanoseconds


def test_tiles_are_not_for_parts_of_words():
    chosen = native.conv2d_choice((56, 56), 64, 64, (3, 3), groups=64)
    assert chosen.isa != "amx"
    assert chosen.nanoseconds.get("amx", math.inf) == math.inf


def test_operators_that_are_not_modelled_follow_the_table():
    assert native.choice("pack", 5, 6, 7) == (native.active("pack"), {})


def test_wrong_requests_are_refused():
    with pytest.raises(UnknownName, match="Did you mean 'dense'"):
        native.choice("dens", 1, 1, 1)
    with pytest.raises(OptionError, match="k is 0"):
        native.choice("dense", 1, 1, 0)
    with pytest.raises(OptionError, match="groups is 3"):
        native.conv2d_choice((5, 5), 64, 64, (3, 3), groups=3)
    with pytest.raises(ShapeError):
        native.conv2d_choice((2, 2), 64, 64, (3, 3))
