import pytest
import torch

from onebit._errors import DtypeError
from onebit.nn import Pixels


def test_pixels_become_odd_integers_around_zero():
    p = torch.arange(256, dtype=torch.uint8)
    y = Pixels()(p)
    assert y.dtype == torch.float32
    assert y.tolist() == [2 * value - 255 for value in range(256)]


@pytest.mark.parametrize("shape", [(), (0, 4), (2, 1, 28, 28), (3, 784)])
def test_any_shape_is_kept(shape):
    assert Pixels()(torch.zeros(shape, dtype=torch.uint8)).shape == shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_anything_but_bytes_is_refused_with_the_reason(dtype):
    with pytest.raises(DtypeError, match=r"shape \(2, 3\).*raw 0..255 pixels, without normalisation"):
        Pixels()(torch.zeros(2, 3, dtype=dtype))
