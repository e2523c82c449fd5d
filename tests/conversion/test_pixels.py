"""Pixel maps: what happens to a byte before the first layer, seen on all 256 bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from onebit import nn as onebit_nn
from onebit.conversion import passes
from onebit.conversion._pixels import pixel_map
from onebit.conversion._thresholds import NotBinary


def before_output(
    captured: Any, function: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.uint8
) -> tuple[fx.GraphModule, fx.Node]:
    module = captured(lambda x: function(x), torch.zeros(2, 2, 3, 4, dtype=dtype))
    for step in passes.CLEANING:
        module = step(module)
    return module, next(iter(reversed(module.graph.nodes))).args[0]


@pytest.mark.parametrize(
    ("function", "slope", "offset", "reshapes"),
    [
        (lambda x: x.float(), 1, 0, 0),
        (lambda x: x.float().flatten(1) * 2 - 255, 2, -255, 1),
        (lambda x: (255 - 2 * x.float()).view(-1, 6, 4).flatten(1), -2, 255, 2),
        (onebit_nn.Pixels(), 2, -255, 0),
        (lambda x: x.to(torch.float32) - torch.full((2, 1, 1), 128.0), 1, -128, 0),
        (lambda x: (x.float() / 255 - 0.5) * 510, 2, -255, 0),
    ],
)
def test_integral_maps_are_exact(
    function: Callable[[Tensor], Tensor], slope: int, offset: int, reshapes: int, captured: Any
) -> None:
    found = pixel_map(*before_output(captured, function))
    assert found is not None
    assert (found.slope, found.offset, len(found.moves)) == pytest.approx((slope, offset, reshapes))
    p = torch.arange(256)
    if found.exact:
        assert torch.equal(found.slope * p + found.offset, slope * p + offset)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.1307, 0.3081), (0.5, 0.5)])
def test_normalisation_is_affine_but_not_exact(mean: float, std: float, captured: Any) -> None:
    found = pixel_map(*before_output(captured, lambda x: (x.float() / 255 - mean) / std))
    assert found is not None
    assert not found.exact
    assert found.slope == pytest.approx(1 / 255 / std, rel=1e-12)
    assert found.offset == pytest.approx(-mean / std, rel=1e-12)


def test_division_of_bytes_is_seen_at_full_precision(captured: Any) -> None:
    found = pixel_map(*before_output(captured, lambda x: x / 255))
    assert found is not None
    assert found.slope == pytest.approx(1 / 255, rel=1e-15)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: (x.float() / 255) ** 2, "not an affine function"),
        (lambda x: x.float() * 0 + 1, "not an affine function"),
        (lambda x: x.float().clamp(3, 200), "not an affine function"),
        (lambda x: x.float() - torch.arange(4.0), "differs between pixels or channels"),
    ],
)
def test_other_functions_of_a_pixel_are_refused(
    function: Callable[[Tensor], Tensor], reason: str, captured: Any
) -> None:
    with pytest.raises(NotBinary, match=reason):
        pixel_map(*before_output(captured, function))


@pytest.mark.parametrize(
    ("function", "slope", "offset", "exact"),
    [
        (lambda x: x.float(), 1, 0, True),
        (lambda x: 5 - 3 * x.float(), -3, 5, True),
        (lambda x: x / 128, 1 / 128, 0, False),
        (lambda x: (x.float() + 0.5) / 127.5, 1 / 127.5, 0.5 / 127.5, False),
    ],
)
def test_signed_bytes_are_seen_at_all_their_values(
    function: Callable[[Tensor], Tensor], slope: float, offset: float, exact: bool, captured: Any
) -> None:
    found = pixel_map(*before_output(captured, function, torch.int8))
    assert found is not None
    assert (found.slope, found.offset) == pytest.approx((slope, offset), rel=1e-12)
    assert (found.exact, found.dtype, found.ends) == (exact, torch.int8, (-128, 127))
    with pytest.raises(NotBinary, match=r"bytes -128\.\.127"):
        pixel_map(*before_output(captured, lambda x: x.float().clamp(-127, 127), torch.int8))


def test_what_mixes_pixels_is_no_map(captured: Any) -> None:
    assert pixel_map(*before_output(captured, lambda x: x.float() - x.float().mean((1, 2, 3), keepdim=True))) is None
    assert pixel_map(*before_output(captured, lambda x: x.float().transpose(1, 2))) is None
