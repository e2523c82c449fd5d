"""Windows: what conv2d, pad and max_pool2d mean, as the numbers of the bit operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion._thresholds import NotBinary
from onebit.conversion._windows import conv_window, pad_before, pool_window

X = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(0))
KERNEL = torch.ones(6, 4, 2, 3)


def last(captured: Any, function: Callable[[Tensor], Tensor]) -> fx.Node:
    (output,) = captured(function, X).graph.find_nodes(op="output")
    node: fx.Node = output.args[0]
    return node


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("options", "padding"),
    [
        ({}, (0, 0, 0, 0)),
        ({"padding": "valid", "stride": (2, 1)}, (0, 0, 0, 0)),
        ({"padding": (1, 2), "dilation": 2}, (1, 1, 2, 2)),
        ({"padding": "same"}, (0, 1, 1, 1)),
        ({"padding": "same", "dilation": (3, 2)}, (1, 2, 2, 2)),
        ({"padding": 1, "groups": 2}, (1, 1, 1, 1)),
    ],
)
def test_padding_of_a_convolution_is_what_torch_adds(options: dict[str, Any], padding: Any, captured: Any) -> None:
    weight = KERNEL[:, : 4 // options.get("groups", 1)]
    window = conv_window(last(captured, lambda x: F.conv2d(x, weight, **options)), weight.shape)
    assert (window.kernel, window.padding, window.groups) == ((2, 3), padding, options.get("groups", 1))
    sides = (*padding[2:], *padding[:2])
    again = F.conv2d(F.pad(X, sides), weight, None, window.stride, 0, window.dilation, window.groups)
    assert torch.equal(again, F.conv2d(X, weight, **options))


def test_other_convolutions_are_refused(captured: Any) -> None:
    node = last(captured, lambda x: F.conv1d(x.flatten(2), torch.ones(4, 4, 3)))
    with pytest.raises(NotBinary, match="only convolutions of"):
        conv_window(node, torch.Size((4, 4, 3)))


def test_a_constant_pad_is_found_with_its_sides_and_value(captured: Any) -> None:
    found = pad_before(last(captured, lambda x: F.pad(x, (1, 2, 3, 4), value=-1.0)))
    assert found is not None
    assert found[1:] == ((3, 4, 1, 2), -1.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
        lambda x: F.pad(x, (-1, 0)),
        lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)),
        lambda x: x + 1,
    ],
)
def test_what_is_no_pad_of_rows_and_columns_is_none(function: Callable[[Tensor], Tensor], captured: Any) -> None:
    assert pad_before(last(captured, function)) is None


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), ((2, 3), (3, 1), (1, 0)), (4, 3, 2)])
def test_a_pool_in_either_mode_is_one_with_sides(
    kernel: Any, stride: Any, padding: Any, ceil_mode: bool, captured: Any
) -> None:
    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode)

    window = pool_window(last(captured, pool))
    assert window is not None
    top, bottom, left, right = window.padding
    padded = F.pad(X, (left, right, top, bottom), value=-torch.inf)
    assert torch.equal(F.max_pool2d(padded, window.kernel, window.stride), pool(X))
    assert max(top, bottom) < window.kernel[0]
    assert max(left, right) < window.kernel[1]


def test_a_pool_with_dilation_has_no_bit_form(captured: Any) -> None:
    assert pool_window(last(captured, lambda x: F.max_pool2d(x, 2, dilation=2))) is None
