"""What holds for BinaryConv1d and BinaryConv2d alike."""

import pytest
import torch
from torch.nn import functional as F

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.nn import BinaryConv1d, BinaryConv2d

KINDS = [BinaryConv1d, BinaryConv2d]


@pytest.mark.parametrize("kind", KINDS)
def test_latent_weights_fill_the_whole_range(kind):
    torch.manual_seed(0)
    weight = kind(64, 64, 9).weight.detach()
    assert -1 <= float(weight.min()) < -0.99
    assert 0.99 < float(weight.max()) <= 1
    spread = kind(64, 64, 9, weight_quantizer=None).weight.detach().abs().max()
    assert float(spread) < 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad_value", [2, None, 0.5, "1"])
def test_other_pad_values_are_refused(kind, pad_value):
    with pytest.raises(OptionError, match=rf"^{kind.__name__}: pad_value is {pad_value!r}\. Expected 0, 1 or -1"):
        kind(1, 1, 3, pad_value=pad_value)


@pytest.mark.parametrize("form", [{"kernel_size": 4}, {"kernel_size": 2, "dilation": 3}, {"kernel_size": 3}])
@pytest.mark.parametrize("pad_value", [1, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_same_puts_the_odd_one_behind(kind, pad_value, form):
    torch.manual_seed(1)
    layer = kind(2, 3, **form, padding="same", pad_value=pad_value, input_quantizer="sign")
    x = torch.randn(2, 2, *[7] * len(layer.axes))
    total = layer.dilation[0] * (layer.kernel_size[0] - 1)
    around = F.pad(layer.binary_input(x), [total // 2, (total + 1) // 2] * len(layer.axes), value=pad_value)
    assert torch.equal(layer(x), layer.convolve(around, layer.binary_weight(), dilation=layer.dilation))
    assert layer(x).shape[2:] == x.shape[2:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad_value", [0, 1])
def test_one_without_a_batch_is_taken(kind, pad_value):
    layer = kind(4, 6, 3, padding=1, pad_value=pad_value, input_quantizer="sign")
    x = torch.randn(4, *[9] * len(layer.axes))
    assert torch.equal(layer(x), layer(x[None])[0])


def test_wrong_shape_names_what_arrived_and_what_to_do():
    pictures, sequences = BinaryConv2d(3, 4, 3), BinaryConv1d(4, 6, 3)
    with pytest.raises(ShapeError, match=r"shape \(2, 8, 8, 3\), so dim 1 is 8. Expected \(N, 3, H, W\); for NHWC"):
        pictures(torch.zeros(2, 8, 8, 3))
    with pytest.raises(ShapeError, match=r"so dim 0 is 8. Expected \(N, 3, H, W\)\."):
        pictures(torch.zeros(8, 8, 3))
    with pytest.raises(ShapeError, match=r"it has 2 dimensions. Expected \(N, 3, H, W\)\."):
        pictures(torch.zeros(2, 3))
    with pytest.raises(ShapeError, match=r"shape \(2, 9, 4\), so dim 1 is 9.*for \(N, L, C\) data call x.transpose"):
        sequences(torch.randn(2, 9, 4))
    with pytest.raises(ShapeError, match=r"it has 4 dimensions. Expected \(N, 4, L\)\."):
        sequences(torch.randn(2, 4, 3, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_sent_to_pixels(kind):
    layer = kind(3, 4, 3)
    x = torch.zeros(2, 3, *[8] * len(layer.axes), dtype=torch.uint8)
    with pytest.raises(DtypeError, match=rf"{kind.__name__}: input has dtype torch.uint8.*Pixels"):
        layer(x)
