"""Every operator refuses what it cannot take by an error that names it; so does torch.ops.onebit.* called directly."""

from __future__ import annotations

import pytest
import torch

from onebit import ops
from onebit._errors import DtypeError, NativeError, OnebitError, OptionError, ShapeError
from onebit.bits import pack
from onebit.ops import _front_door, native
from onebit.ops._checks import refuse_devices

N, K = 70, 130
DENSE = [f"{family}_{output}" for family in ("dense", "dense_u8", "dense_s8") for output in ("int32", "float", "bits")]
CHANNELS = {"scale": torch.float32, "bias": torch.float32, "threshold": torch.int32, "direction": torch.int8}


def good(name: str) -> dict[str, object]:
    """Arguments that the operator takes, by name."""
    words, rows = pack(torch.ones(3, K)).words, pack(torch.ones(N, K)).words
    if name in ("pack", "unpack", "pack_weights"):
        return {"pack": {"x": torch.ones(3, K)}, "unpack": {"words": words, "k": K}}.get(name, {"rows": rows, "k": K})
    handle = {"weights": ops.pack_weights(rows, K), "n": N, "k": K}
    if name == "unpack_weights":
        return handle
    x = torch.ones(3, K, dtype=torch.uint8 if "u8" in name else torch.int8) if "8" in name else words
    names = {"float": ("scale", "bias"), "bits": ("threshold", "direction")}.get(name.split("_")[-1], ())
    return {"x": x, **handle, **{channel: torch.ones(N, dtype=CHANNELS[channel]) for channel in names}}


def cases():
    """Operator, argument put wrong, its value, the public error, words of the public message, words of the raw one."""
    yield "pack", "x", torch.ones(3, 5, dtype=torch.float64), DtypeError, "x has dtype torch.float64", "float64"
    yield "pack", "x", torch.ones(3, 5, dtype=torch.int64), DtypeError, "x has dtype torch.int64", "int64"
    yield "pack", "x", torch.ones(3, dtype=torch.complex64), DtypeError, "torch.complex64", "another dtype"
    yield "pack", "x", torch.ones(()), ShapeError, "x has shape ()", "x has shape ()"
    yield "pack", "x", torch.ones(4, 0), ShapeError, "x has shape (4, 0)", "x has shape (4, 0)"
    yield "unpack", "words", torch.ones(3, 3), DtypeError, "words has dtype torch.float32", "float32"
    yield "unpack", "words", torch.zeros(3, 2, dtype=torch.int64), ShapeError, "words has shape (3, 2)", "(3, 2)"
    yield "unpack", "k", 0, OptionError, "k is 0", "k is 0"
    yield "unpack", "k", -(2**40), OptionError, f"k is {-(2**40)}", f"k is {-(2**40)}"
    yield "unpack", "k", 2**62, ShapeError, f"words for k={2**62}", f"k={2**62}"
    yield "pack_weights", "rows", torch.ones(3, 3), DtypeError, "rows has dtype torch.float32", "float32"
    yield "pack_weights", "rows", torch.zeros(3, dtype=torch.int64), ShapeError, "rows has shape (3,)", "(3,)"
    yield "pack_weights", "rows", torch.zeros(0, 3, dtype=torch.int64), OptionError, "n is 0", "(0, 3)"
    yield "pack_weights", "k", 0, OptionError, "k is 0", "k is 0"
    yield "pack_weights", "k", 193, ShapeError, "k=193", "k=193"
    for name in ["unpack_weights", *DENSE]:
        yield name, "weights", torch.ones(1792), DtypeError, "weights has dtype torch.float32", "float32"
        yield name, "weights", torch.ones(5, dtype=torch.uint8), ShapeError, "weights has shape (5,)", "(5,)"
        yield name, "n", 0, OptionError, "n is 0", "n is 0"
        yield name, "n", 2**31, OptionError, f"n is {2**31}", f"n is {2**31}"
        yield name, "k", -1, OptionError, "k is -1", "k is -1"
        yield name, "n", N + 8, ShapeError, f"n={N + 8}", f"n={N + 8}"
    for name in DENSE:
        last = K if "8" in name else 3
        other = torch.ones(3, last)
        yield name, "x", other, DtypeError, "x has dtype torch.float32", "x has dtype float32"
        yield name, "x", good(name)["x"][:, 1:], ShapeError, f"x has shape (3, {last - 1})", f"(3, {last - 1})"
        yield name, "x", good(name)["x"][0, 0], ShapeError, "x has shape ()", "x has shape ()"
        for channel in (key for key in CHANNELS if key in good(name)):
            right = good(name)[channel]
            yield name, channel, right[1:], ShapeError, f"{channel} has shape ({N - 1},)", f"({N - 1},)"
            yield name, channel, right.reshape(1, N), ShapeError, f"{channel} has shape (1, {N})", f"(1, {N})"
            yield name, channel, right.double(), DtypeError, f"{channel} has dtype torch.float64", "float64"


@pytest.mark.parametrize(("name", "argument", "value", "error", "public", "raw"), list(cases()))
def test_a_wrong_argument_is_named(name, argument, value, error, public, raw):
    arguments = {**good(name), argument: value}
    with pytest.raises(error) as refused:
        getattr(ops, name)(**arguments)
    assert str(refused.value).startswith(f"{name}: ")
    assert public in str(refused.value)
    with pytest.raises((RuntimeError, OnebitError)) as refused:
        getattr(torch.ops.onebit, name)(*arguments.values())
    assert name in str(refused.value)
    assert (public if isinstance(refused.value, OnebitError) else raw) in str(refused.value)
    with pytest.raises(error):
        _front_door._fallbacks[name](*arguments.values())
    with pytest.raises(error):
        getattr(torch.ops.onebit, name)(*(to_meta(value) for value in arguments.values()))


def to_meta(value: object) -> object:
    return value.to("meta") if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("name", ["dense_bits", "dense_u8_bits", "dense_s8_bits"])
@pytest.mark.parametrize("value", [0, 2, -128])
def test_a_direction_other_than_plus_or_minus_one_is_refused(name, value):
    arguments = good(name)
    arguments["direction"][N - 1] = value
    for run in (getattr(ops, name), getattr(torch.ops.onebit, name), _front_door._fallbacks[name]):
        with pytest.raises(RuntimeError, match=rf"onebit::{name}: a direction is neither"):
            run(*arguments.values())
    with pytest.raises(NativeError):
        getattr(ops, name)(**arguments)


@pytest.mark.parametrize("name", ["pack", "dense_float", "dense_u8_float"])
def test_an_input_that_requires_a_gradient_is_refused(name):
    arguments = good(name)
    wanting = next(key for key, value in arguments.items() if getattr(value, "dtype", None) == torch.float32)
    arguments[wanting] = arguments[wanting].requires_grad_()
    with pytest.raises(OptionError, match=rf"{name}: {wanting} requires a gradient.*{wanting}\.detach"):
        getattr(ops, name)(**arguments)
    with torch.no_grad():
        assert getattr(ops, name)(**arguments).requires_grad is False


def test_another_device_is_refused():
    """A sparse tensor stands for one of a GPU: torch refuses both alike, as of a backend without a kernel."""

    class Elsewhere(torch.Tensor):
        is_cpu = False

    with pytest.raises(NativeError, match="onebit::pack"):
        ops.pack(torch.ones(3, 5).to_sparse())
    x = torch.ones(3, 5).as_subclass(Elsewhere)
    with pytest.raises(OptionError, match=r"pack: x is on cpu; libonebit runs on the CPU: use x\.cpu\(\)"):
        refuse_devices("pack", torch.ops.onebit.pack.default, (x,))


def test_a_gpu_has_kernels_and_is_not_refused():
    """What failed there (memory, say) is told as it is."""

    class OnGpu(torch.Tensor):
        is_cpu = False
        is_cuda = True

    refuse_devices("pack", torch.ops.onebit.pack.default, (torch.ones(3, 5).as_subclass(OnGpu),))


@pytest.mark.parametrize("name", ["pack", "unpack", "pack_weights", "unpack_weights", *DENSE])
def test_no_reference_is_kept_after_a_result_or_an_error(name, keep_no_reference):
    keep_no_reference(getattr(torch.ops.onebit, name), good(name))


def test_errors_leave_the_operator_usable():
    arguments = good("dense_int32")
    for _ in range(100):
        with pytest.raises((RuntimeError, OnebitError)):
            torch.ops.onebit.dense_int32(arguments["x"], arguments["weights"], N, K + 64)
    assert torch.ops.onebit.dense_int32(*arguments.values()).unique().tolist() == [K]
    assert native.ran("dense") == native.choice("dense", len(arguments["x"]), N, K).isa
