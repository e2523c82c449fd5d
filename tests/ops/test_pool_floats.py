"""pool_floats finds what torch's max pool finds: the same floats, at the same places."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from onebit._errors import DtypeError, ShapeError
from onebit.ops import native, pool_floats

ISAS = native.available_isas("gradient_windows")


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.integers(0, 4), st.integers(2, 7), st.integers(2, 7), st.sampled_from([1, 5, 16, 17, 40]), st.integers(0, 9))
def test_it_is_torchs_max_pool_with_its_places(isa, batch, height, width, c, seed):
    x = torch.randint(-2, 3, (batch, height, width, c), generator=torch.Generator().manual_seed(seed)).float()
    with native.force(isa):
        y, which = pool_floats(x)
    if batch == 0:
        assert y.shape == which.shape == (0, height // 2, width // 2, c)
        return
    expected, at = (found.permute(0, 2, 3, 1) for found in F.max_pool2d(x.permute(0, 3, 1, 2), 2, return_indices=True))
    assert torch.equal(y, expected)
    assert torch.equal(which, (at // width % 2 * 2 + at % width % 2).to(torch.uint8))


def test_what_it_cannot_pool_is_told_with_its_shape():
    with pytest.raises(ShapeError, match=r"\(1, 1, 4, 3\)"):
        pool_floats(torch.zeros(1, 1, 4, 3))
    with pytest.raises(DtypeError, match="float64"):
        pool_floats(torch.zeros(1, 2, 2, 3, dtype=torch.float64))
