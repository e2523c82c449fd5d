from __future__ import annotations

import pytest
import torch

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.runtime import InputSpec

PIXELS = InputSpec((None, 784), torch.uint8)


def test_the_stated_input_is_accepted_with_any_batch():
    for batch in (0, 1, 64):
        PIXELS.check(PIXELS.example(batch))


def test_a_float_image_is_told_to_stay_raw_pixels():
    with pytest.raises(
        DtypeError, match=r"takes \(N, 784\) uint8, got a tensor of torch.float32.*without normalisation"
    ):
        PIXELS.check(torch.zeros(2, 784))


def test_another_dtype_is_told_how_to_convert():
    with pytest.raises(DtypeError, match=r"got a tensor of torch.uint8. Convert it with x.to\(torch.float32\)"):
        InputSpec((None, 3), torch.float32).check(torch.zeros(1, 3, dtype=torch.uint8))


def test_something_else_than_a_tensor_is_named():
    with pytest.raises(DtypeError, match="got list"):
        PIXELS.check([1, 2])


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((2, 1, 28, 28), r"got shape \(2, 1, 28, 28\).*x.reshape\(-1, 784\)"),
        ((784,), r"x.unsqueeze\(0\)"),
        ((2, 783), r"got shape \(2, 783\).*as they were in conversion"),
        ((), r"got shape \(\)"),
    ],
)
def test_a_wrong_shape_is_told_what_to_do(shape, advice):
    with pytest.raises(ShapeError, match=advice):
        PIXELS.check(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize("shape", [(), (1, 784), (None, None), (None, 0)])
def test_a_spec_has_a_free_batch_and_fixed_positive_sizes(shape):
    with pytest.raises(OptionError, match="expected None"):
        InputSpec(shape, torch.uint8)


def test_a_spec_is_uint8_or_float32():
    with pytest.raises(OptionError, match=r"torch.float64"):
        InputSpec((None, 3), torch.float64)
