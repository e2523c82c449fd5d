"""Every conv2d operator refuses what it cannot take by an error that names it; so does torch.ops.onebit.* itself."""

from __future__ import annotations

import pytest
import torch

from onebit import ops
from onebit._errors import DtypeError, NativeError, OnebitError, OptionError, ShapeError
from onebit.bits import pack
from onebit.ops import _front_door

N, C = 70, 130
CONV = [
    f"{family}_{output}" for family in ("conv2d", "conv2d_u8", "conv2d_s8") for output in ("int32", "float", "bits")
]
CHANNELS = {"scale": torch.float32, "bias": torch.float32, "threshold": torch.int32, "direction": torch.int8}


def good(name: str) -> dict[str, object]:
    """Arguments that the operator takes, by name."""
    pixels, dtype = "8" in name, torch.uint8 if "u8" in name else torch.int8
    x = torch.ones(2, 5, 4, C, dtype=dtype) if pixels else pack(torch.ones(2, 5, 4, C)).words
    handle = ops.pack_conv_weights(pack(torch.ones(N, 3, 3, C // 2)).words, C, 2, [3, 3])
    sizes = {"n": N, "c": C, "kernel": [3, 3], "stride": [1, 1], "padding": [0, 0, 0, 0], "dilation": [1, 1]}
    moved = {"multiplier": 2, "offset": -255} if pixels else {}
    names = {"float": ("scale", "bias"), "bits": ("threshold", "direction")}.get(name.split("_")[-1], ())
    channels = {channel: torch.ones(N, dtype=CHANNELS[channel]) for channel in names}
    return {"x": x, "weights": handle, **sizes, "groups": 2, "pad_value": 0, **moved, **channels}


def cases():
    """Operator, argument put wrong, its value, the error, words of the message."""
    for name in CONV:
        x = good(name)["x"]
        last = x.shape[3]
        yield name, "x", torch.ones(2, 5, 4, last), DtypeError, "x has dtype torch.float32"
        yield name, "x", x[0], ShapeError, f"x has shape (5, 4, {last}); expected (N, H, W, {last})"
        yield name, "x", x[..., 1:], ShapeError, f"x has shape (2, 5, 4, {last - 1})"
        yield name, "x", x.permute(0, 3, 1, 2), ShapeError, "channels last. For NCHW data call x.permute(0, 2, 3, 1)"
        yield name, "x", x[:, :2], ShapeError, "2 x 4 places"
        yield name, "x", x[:, :0], ShapeError, "0 x 4 places"
        yield name, "weights", torch.ones(9), DtypeError, "weights has dtype torch.float32"
        yield name, "weights", torch.ones(9, dtype=torch.uint8), ShapeError, "weights has shape (9,)"
        yield name, "n", 0, OptionError, "n is 0"
        yield name, "n", 71, OptionError, "groups is 2; expected a divisor of both c=130 and n=71"
        yield name, "n", N + 16, ShapeError, f"n={N + 16}"
        yield name, "n", 2**62, OptionError, "too many weights"
        yield name, "c", -2, OptionError, "c is -2"
        yield name, "groups", 0, OptionError, "groups is 0"
        yield name, "groups", 4, OptionError, "groups is 4; expected a divisor"
        yield name, "kernel", [3], OptionError, "kernel is [3]"
        yield name, "kernel", [3, 0], OptionError, "kernel is [3, 0]"
        yield name, "kernel", [3, 4], ShapeError, "kernel=[3, 4]"
        yield name, "stride", [1, 0], OptionError, "stride is [1, 0]"
        yield name, "stride", [1, 1, 1], OptionError, "stride is [1, 1, 1]"
        yield name, "padding", [1, 1], OptionError, "expected [top, bottom, left, right]"
        yield name, "padding", [1, 1, -1, 0], OptionError, "padding is [1, 1, -1, 0]"
        yield name, "dilation", [0, 1], OptionError, "dilation is [0, 1]"
        yield name, "dilation", [3, 1], ShapeError, "covers 7 x 3"
        yield name, "pad_value", 2, OptionError, "pad_value is 2; expected 0 (as torch pads), +1 or -1"
        if "8" in name:
            yield name, "offset", 2**31 - 1, OptionError, "fits in 32 bits"
        for channel in (key for key in CHANNELS if key in good(name)):
            right = good(name)[channel]
            yield name, channel, right[1:], ShapeError, f"{channel} has shape ({N - 1},)"
            yield name, channel, right.double(), DtypeError, f"{channel} has dtype torch.float64"


@pytest.mark.parametrize(("name", "argument", "value", "error", "words"), list(cases()))
def test_a_wrong_argument_is_named(name, argument, value, error, words):
    arguments = {**good(name), argument: value}
    with pytest.raises(error) as refused:
        getattr(ops, name)(**arguments)
    assert str(refused.value).startswith(f"{name}: ")
    assert words in str(refused.value)
    with pytest.raises((RuntimeError, OnebitError), match=name):
        getattr(torch.ops.onebit, name)(*arguments.values())
    with pytest.raises(error):
        _front_door._fallbacks[name](*arguments.values())
    with pytest.raises(error):
        getattr(torch.ops.onebit, name)(*(to_meta(value) for value in arguments.values()))


def to_meta(value: object) -> object:
    return value.to("meta") if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("name", [name for name in CONV if name.endswith("bits")])
def test_a_direction_other_than_plus_or_minus_one_is_refused(name):
    arguments = good(name)
    arguments["direction"][N - 1] = 0
    for run in (getattr(ops, name), getattr(torch.ops.onebit, name), _front_door._fallbacks[name]):
        with pytest.raises(RuntimeError, match=rf"onebit::{name}: a direction is neither"):
            run(*arguments.values())


@pytest.mark.parametrize("name", CONV)
def test_a_foreign_handle_is_refused(name):
    arguments = good(name)
    arguments["weights"] = torch.zeros_like(arguments["weights"])
    with pytest.raises(NativeError, match=f"onebit::{name}: the weights were not made by"):
        getattr(ops, name)(**arguments)


@pytest.mark.parametrize("name", CONV)
def test_no_reference_is_kept_after_a_result_or_an_error(name, keep_no_reference):
    keep_no_reference(getattr(torch.ops.onebit, name), good(name))
