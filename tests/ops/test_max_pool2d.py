"""max_pool2d on bits is the reference's maximum (or minimum) of signs, for every instruction set and both doors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import ops
from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits import Packed, _reference_conv, pack
from onebit.bits._window import Padding, Window
from onebit.ops import _front_door, native

ISAS = native.available_isas("max_pool2d")
DOORS = torch.ops.onebit.max_pool2d.default, _front_door._fallbacks["max_pool2d"]


@st.composite
def cases(draw):
    kernel = draw(st.sampled_from([(2, 2), (3, 3), (1, 1), (1, 4), (5, 2)]))
    stride = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    padding = Padding(*(draw(st.integers(0, min(2, kernel[side // 2] - 1))) for side in range(4)))
    least = (kernel[0] - sum(padding[:2]), kernel[1] - sum(padding[2:]))
    size = [draw(st.integers(max(1, low), max(1, low) + 6)) for low in least]
    c = draw(st.sampled_from([1, 63, 64, 65, 128, 130, 512, 513]) | st.integers(1, 200))
    return (draw(st.integers(0, 3)), *size, c), Window(kernel, stride, padding), draw(st.integers(0, 2**31))


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(cases(), st.sampled_from(["none", "all", "some"]))
def test_pooling_is_the_references(isa, case, smallest):
    shape, window, seed = case
    generator = torch.Generator().manual_seed(seed)
    x = pack(torch.randn(shape, generator=generator) - 0.5)
    gamma = {"none": 1.0, "all": -1.0, "some": torch.randn(shape[-1], generator=generator)}[smallest]
    minimum = pack(gamma * torch.ones(shape[-1])).words
    expected = _reference_conv.max_pool2d(x, window, minimum).words
    lists = [list(part) for part in (window.kernel, window.stride, window.padding)]
    with native.force(isa):
        for run in DOORS:
            got = run(x.words, shape[-1], *lists, minimum)
            assert got.is_contiguous()
            assert torch.equal(got, expected)
            Packed.checked(got, shape[-1])
        assert shape[0] == 0 or native.ran("max_pool2d") == isa


@pytest.mark.parametrize("entry", [0, 1], ids=["torch", "python"])
def test_strided_operands_and_stray_bits_of_minimum(entry):
    x = pack(torch.randn(2, 4, 6, 70, generator=torch.Generator().manual_seed(0)))
    minimum = torch.full((2,), -1)
    view = x.words.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    got = DOORS[entry](view, 70, [2, 2], [2, 2], [0] * 4, torch.stack([minimum, minimum], 1)[:, 0])
    expected = _reference_conv.max_pool2d(x, Window((2, 2), (2, 2)), pack(-torch.ones(70)).words)
    assert torch.equal(got, expected.words)


def good() -> dict[str, object]:
    minimum = torch.zeros(2, dtype=torch.int64)
    return {"x": pack(torch.ones(2, 4, 4, 70)).words, "c": 70, "kernel": [2, 2], "stride": [2, 2],
            "padding": [0, 0, 0, 0], "minimum": minimum}  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value", "error", "match"),
    [
        ("x", torch.ones(2, 4, 4, 2), DtypeError, r"x has dtype torch\.float32; expected torch\.int64"),
        ("x", torch.zeros(2, 4, 2, dtype=torch.int64), ShapeError, r"x has shape \(2, 4, 2\); expected \(N, H, W, 2\)"),
        ("x", torch.zeros(2, 1, 4, 2, dtype=torch.int64), ShapeError, "no output is left"),
        ("c", 0, OptionError, "c is 0"),
        ("c", 129, ShapeError, r"expected \(N, H, W, 3\)"),
        ("kernel", [2], OptionError, r"kernel is \[2\]"),
        ("kernel", [0, 2], OptionError, r"kernel is \[0, 2\]"),
        ("stride", [2, 0], OptionError, r"stride is \[2, 0\]"),
        ("padding", [0, 0], OptionError, r"padding is \[0, 0\]; expected \[top, bottom, left, right\]"),
        ("padding", [0, 0, 2, 0], OptionError, "each padding below the size"),
        ("minimum", torch.zeros(1, dtype=torch.int64), ShapeError, r"minimum has shape \(1,\)"),
        ("minimum", torch.zeros(2), DtypeError, r"minimum has dtype torch\.float32"),
    ],
)
def test_a_wrong_argument_is_named(argument, value, error, match):
    arguments = {**good(), argument: value}
    with pytest.raises(error, match=f"max_pool2d: .*{match}"):
        ops.max_pool2d(**arguments)
    with pytest.raises((RuntimeError, OptionError, ShapeError, DtypeError), match="max_pool2d: "):
        torch.ops.onebit.max_pool2d(*arguments.values())
    with pytest.raises(error, match=match):
        DOORS[1](*arguments.values())
