"""onebit::network: a chain of operators in one call of the library.

A Network describes the chain once: values by number, and for each step its operator's own C structs, with numbers in
place of addresses. The operator takes it by its number, and the constants anew in every call, because whoever owns them
may replace or move them.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from ctypes import POINTER, c_int32, c_int64, c_void_p
from dataclasses import dataclass, field

import torch
from torch import Tensor

from onebit._errors import NativeError, OptionError, ShapeError
from onebit.ops._checks import check_dtype
from onebit.ops._fallback import follow_torch_threads, operand
from onebit.ops._front_door import define
from onebit.ops._library import ConvCall, DenseCall, Epilogue, PackCall, PoolCall, check, lib

MOST_DIMS = 8  # OB_VALUE_DIMS, without the batch
MOST_ENDS = 8  # inputs, and outputs
_DTYPES = (
    torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int32, torch.int64,
)  # fmt: skip
TYPES = {dtype: code for code, dtype in enumerate(_DTYPES, 1)}  # OB_TYPE_*
STEPS = {
    "pack": 1, "dense": 2, "dense_u8": 3, "dense_s8": 4, "conv2d": 5, "conv2d_u8": 6, "conv2d_s8": 7, "max_pool2d": 8,
    "transpose": 9, "join": 10,
}  # fmt: skip
ARRAYS = (
    "weights", "scale", "bias", "threshold", "direction", "low", "high", "slope", "float_threshold", "minimum",
)  # fmt: skip
NONE = -1
MOST_JOINED = 8  # OB_JOIN_MOST
FORM = 1  # of the list that describes a network in a file


class Value(ctypes.Structure):
    """ob_value: type and shape of one example."""

    _fields_ = [("type", c_int32), ("dims", c_int32), ("sizes", c_int64 * MOST_DIMS)]


class TransposeCall(ctypes.Structure):
    """ob_transpose_call: (rows, columns) to (columns, rows)."""

    _fields_ = [("rows", c_int64), ("columns", c_int64), ("type", c_int32)]


class JoinCall(ctypes.Structure):
    """ob_join_call: the bits of several values behind each other."""

    _fields_ = [
        ("rows", c_int64),
        ("count", c_int32),
        ("bits", c_int32 * MOST_JOINED),
        ("parts", c_int32 * MOST_JOINED),
    ]


class Call(ctypes.Union):
    """The call of a step, without addresses."""

    _fields_ = [
        ("pack", PackCall),
        ("dense", DenseCall),
        ("conv2d", ConvCall),
        ("max_pool2d", PoolCall),
        ("transpose", TransposeCall),
        ("join", JoinCall),
    ]


class Step(ctypes.Structure):
    """ob_step: one operator on values and constants by number."""

    _fields_ = [
        ("op", c_int32),
        ("x", c_int32),
        ("out", c_int32),
        ("bits", c_int32),
        ("residual", c_int32),
        ("arrays", c_int32 * len(ARRAYS)),
        ("call", Call),
        ("epilogue", Epilogue),
    ]


class _Network(ctypes.Structure):
    """ob_network."""

    _fields_ = [
        ("values", POINTER(Value)),
        ("steps", POINTER(Step)),
        ("constant_bytes", POINTER(c_int64)),
        ("inputs", POINTER(c_int32)),
        ("outputs", POINTER(c_int32)),
        ("value_count", c_int32),
        ("step_count", c_int32),
        ("constant_count", c_int32),
        ("input_count", c_int32),
        ("output_count", c_int32),
    ]


class _NetworkCall(ctypes.Structure):
    """ob_network_call."""

    _fields_ = [
        ("number", c_int64),
        ("batch", c_int64),
        ("version", c_int64),
        ("inputs", POINTER(c_void_p)),
        ("constants", POINTER(c_void_p)),
        ("outputs", POINTER(c_void_p)),
        ("executor", c_void_p),
    ]


Shape = tuple[tuple[int, ...], torch.dtype]  # of one example


@dataclass(eq=False)
class Network:
    """A network of the library, which ends with this object: `torch.ops.onebit.network(x, constants, number, version)`.

    values: shape of one example and dtype of each. steps: in their order. constant_bytes: of each constant.
    inputs, outputs: numbers of values. Raises NativeError, naming the step, for what is no network.
    """

    values: Sequence[Shape]
    steps: Sequence[Step]
    constant_bytes: Sequence[int]
    inputs: Sequence[int]
    outputs: Sequence[int]
    number: int = field(init=False)

    def __post_init__(self) -> None:
        number, step = c_int64(), c_int32(NONE)
        counts = [len(part) for part in (self.values, self.steps, self.constant_bytes, self.inputs, self.outputs)]
        network = _Network(
            (Value * counts[0])(*(Value(TYPES[dtype], len(shape), shape) for shape, dtype in self.values)),
            (Step * counts[1])(*self.steps),
            (c_int64 * counts[2])(*self.constant_bytes),
            (c_int32 * counts[3])(*self.inputs),
            (c_int32 * counts[4])(*self.outputs),
            *counts,
        )
        status = lib.ob_network_create(ctypes.byref(network), ctypes.byref(number), ctypes.byref(step))
        check(status, f"Network, step {step.value}" if step.value >= 0 else "Network")
        self.number = number.value
        _networks[self.number] = self
        weakref.finalize(self, lib.ob_network_destroy, self.number)

    def __deepcopy__(self, memo: object) -> Network:
        """Itself: it holds no tensor and never changes."""
        return self


def described(network: Network) -> list[int]:
    """The description without the constants, as native/frontends/ort_chain.c reads it."""
    found = [FORM, *(len(part) for part in (network.values, network.steps, network.inputs, network.outputs))]
    for shape, dtype in network.values:
        found += [TYPES[dtype], len(shape), *shape]
    for step in network.steps:
        name = next(name for name, code in STEPS.items() if code == step.op)
        call = getattr(step.call, name.removesuffix("_u8").removesuffix("_s8"))
        found += [*_integers(step), *_integers(call), *(_integers(step.epilogue) if is_product(name) else ())]
    return [*found, *network.inputs, *network.outputs]


def is_product(name: str) -> bool:
    """True for the steps with weights, which have an epilogue."""
    return name.startswith(("dense", "conv2d"))


_TRAINING = frozenset({"drawn", "seed"})  # numbers of calls that no network makes, so no file has them


def _integers(structure: ctypes.Structure) -> list[int]:
    found: list[int] = []
    for name, kind, *_ in structure._fields_:
        if name in _TRAINING:
            continue
        if kind in (c_int32, c_int64):
            found.append(getattr(structure, name))
        elif issubclass(kind, ctypes.Array):
            found.extend(getattr(structure, name))
    return found


_networks: weakref.WeakValueDictionary[int, Network] = weakref.WeakValueDictionary()


def _find(number: int) -> Network:
    if number not in _networks:
        raise NativeError(f"onebit::network: there is no network {number}.")
    return _networks[number]


def _fake(
    inputs: Sequence[Tensor], constants: Sequence[Tensor], number: int, _version: int | None = None
) -> list[Tensor]:
    network = _find(number)
    _check(network, inputs, constants)
    batch, values = inputs[0].shape[0], (network.values[number] for number in network.outputs)
    return [inputs[0].new_empty((batch, *shape), dtype=dtype) for shape, dtype in values]


def _check(network: Network, inputs: Sequence[Tensor], constants: Sequence[Tensor]) -> None:
    for name, given, expected in (("inputs", inputs, network.inputs), ("constants", constants, network.constant_bytes)):
        if len(given) != len(expected):
            raise OptionError(f"network: {name} has {len(given)} tensors; the network has {len(expected)}.")
    for tensor, value in zip(inputs, network.inputs, strict=True):
        shape, dtype = network.values[value]
        check_dtype("network", "an input", tensor, dtype)
        if tensor.ndim == 0 or tuple(tensor.shape[1:]) != shape or tensor.shape[0] != inputs[0].shape[0]:
            raise ShapeError(f"network: an input has shape {tuple(tensor.shape)}; expected {('N', *shape)}, one N.")
    for tensor, size in zip(constants, network.constant_bytes, strict=True):
        if tensor.numel() * tensor.element_size() != size or not tensor.is_contiguous():
            got = f"{tensor.numel() * tensor.element_size()} bytes{'' if tensor.is_contiguous() else ' with gaps'}"
            raise ShapeError(f"network: a constant has {got}; expected {size} bytes.")


def _python(inputs: Sequence[Tensor], constants: Sequence[Tensor], number: int, version: int) -> list[Tensor]:
    outputs = _fake(inputs, constants, number, version)
    inputs = [operand(tensor, tensor.element_size()) for tensor in inputs]
    constants = [operand(tensor, tensor.element_size()) for tensor in constants]
    batch, ends = inputs[0].shape[0], map(_addresses, (inputs, constants, outputs))
    follow_torch_threads()
    check(lib.ob_network_run(ctypes.byref(_NetworkCall(number, batch, version, *ends))), "onebit::network")
    return outputs


def _addresses(tensors: Sequence[Tensor]) -> ctypes.Array[c_void_p]:
    return (c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


define("network(Tensor[] inputs, Tensor[] constants, int number, int version) -> Tensor[]", _fake, _python)
