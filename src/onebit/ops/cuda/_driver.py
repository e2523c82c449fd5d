"""The CUDA driver, libcuda, through ctypes: load a cubin, describe a matrix to the copy engine, launch on a stream.

Memory and streams are torch's, and so are the contexts: every device's primary one, which torch's runtime uses, too.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_uint32, c_uint64, c_void_p

from onebit._errors import NativeError

Parameter = (
    ctypes.Structure | ctypes.Array[ctypes.c_char] | c_uint32 | c_uint64 | c_void_p
)  # what a kernel can be given
_MAX_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_CLUSTER = 4  # CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
_TYPE_U8, _INTERLEAVE_NONE, _PROMOTE_256, _FILL_ZERO = 0, 0, 3, 0  # CU_TENSOR_MAP_*
_SWIZZLES = {32: 1, 64: 2, 128: 3}  # CU_TENSOR_MAP_SWIZZLE_*, by the bytes of a box's rows


class _Attribute(ctypes.Structure):
    """CUlaunchAttribute: the value is a union of 64 bytes."""

    _fields_ = [("id", c_int), ("pad", c_int), ("value", c_uint32 * 16)]


class _Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = [
        ("grid", c_uint32 * 3),
        ("block", c_uint32 * 3),
        ("shared_bytes", c_uint32),
        ("stream", c_void_p),
        ("attributes", POINTER(_Attribute)),
        ("count", c_uint32),
    ]


class TensorMap(ctypes.Structure):
    """CUtensorMap, 128 opaque bytes that the driver wants on a multiple of 64."""

    _fields_ = [("opaque", c_uint64 * 16)]

    @staticmethod
    def empty() -> TensorMap:
        """A map at an aligned place; ctypes alone aligns to 16."""
        memory = (ctypes.c_char * (128 + 63))()
        return TensorMap.from_buffer(memory, -ctypes.addressof(memory) % 64)


@functools.cache
def _cuda() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise NativeError(f"The CUDA driver is not installed on this machine: {error}.") from error


def _check(status: int, what: str) -> None:
    if status:
        name = c_char_p()
        _cuda().cuGetErrorName(status, byref(name))
        raise NativeError(f"{what}: the CUDA driver answers {(name.value or b'?').decode()} ({status}).")


@functools.cache
def _primary(device: int) -> c_void_p:
    """A device's primary context, which torch's memory and streams live in; retained once, as long as the process."""
    context, handle = c_void_p(), c_int()
    _check(_cuda().cuDeviceGet(byref(handle), device), "cuDeviceGet")
    _check(_cuda().cuDevicePrimaryCtxRetain(byref(context), handle), "cuDevicePrimaryCtxRetain")
    return context


def enter(device: int) -> None:
    """Makes this device's primary context current in this thread, whichever was."""
    current, wanted = c_void_p(), _primary(device)
    _check(_cuda().cuCtxGetCurrent(byref(current)), "cuCtxGetCurrent")
    if current.value != wanted.value:
        _check(_cuda().cuCtxSetCurrent(wanted), "cuCtxSetCurrent")


def load(cubin: bytes, function: str, shared_bytes: int) -> c_void_p:
    """The function of a cubin, in the current context, allowed this much shared memory. Stays loaded."""
    module, handle = c_void_p(), c_void_p()
    _check(_cuda().cuModuleLoadData(byref(module), cubin), f"loading {function}")
    _check(_cuda().cuModuleGetFunction(byref(handle), module, function.encode()), f"finding {function}")
    if shared_bytes > 48 << 10:
        _check(_cuda().cuFuncSetAttribute(handle, _MAX_SHARED, shared_bytes), f"{shared_bytes} bytes for {function}")
    return handle


@functools.lru_cache(maxsize=1024)
def tensor_map(
    address: int, sizes: tuple[int, ...], strides: tuple[int, ...], box: tuple[int, ...], steps: tuple[int, ...] = ()
) -> TensorMap:
    """An array of bytes for the copy engine: boxes of it, swizzled by their innermost size, zeros outside.

    Axes are innermost first. sizes: of the array. strides: in bytes, of all axes but the first. box: elements a copy
    brings along each axis. steps: how far apart they are (1).
    """
    described, rank, steps = TensorMap.empty(), len(sizes), steps or (1,) * len(sizes)
    spans = [elements * step for elements, step in zip(box, steps, strict=True)]
    _check(
        _cuda().cuTensorMapEncodeTiled(
            byref(described), _TYPE_U8, rank, c_void_p(address), (c_uint64 * rank)(*sizes),
            (c_uint64 * (rank - 1))(*strides), (c_uint32 * rank)(*spans), (c_uint32 * rank)(*steps),
            _INTERLEAVE_NONE, _SWIZZLES[box[0]], _PROMOTE_256, _FILL_ZERO,
        ),
        f"cuTensorMapEncodeTiled of {sizes}, strides {strides}, boxes of {box} in steps of {steps}",
    )  # fmt: skip
    return described


def launch(
    function: c_void_p,
    grid: Sequence[int],
    block: Sequence[int],
    shared_bytes: int,
    stream: int,
    parameters: Sequence[Parameter],
    cluster: int = 1,
) -> None:
    """Starts a kernel on the stream, its blocks in clusters of `cluster`."""
    attributes = (_Attribute * 1)()
    attributes[0].id = _CLUSTER
    attributes[0].value[0], attributes[0].value[1], attributes[0].value[2] = cluster, 1, 1
    count = int(cluster > 1)
    pointers = (c_void_p * len(parameters))(*(ctypes.addressof(parameter) for parameter in parameters))
    config = _Config((c_uint32 * 3)(*grid), (c_uint32 * 3)(*block), shared_bytes, stream, attributes, count)
    _check(_cuda().cuLaunchKernelEx(byref(config), function, pointers, None), f"launching a grid of {tuple(grid)}")


def dense_arguments(pointers: Sequence[int], sizes: Sequence[int], padding: int, parts: int = 1) -> ctypes.Structure:
    """DenseArgs of epilogue.cuh: nine addresses, ten unsigned sizes, one signed, the parts of k."""
    packed = struct.pack("<9Q10IiI", *pointers, *sizes, padding, parts)
    return _DenseArgs.from_buffer_copy(packed)


def arguments(layout: str, *values: int, first: bytes = b"") -> ctypes.Array[ctypes.c_char]:
    """A kernel's struct by value: `first`, then the values as struct.pack lays them out."""
    packed = first + struct.pack(layout, *values)
    return (ctypes.c_char * len(packed)).from_buffer_copy(packed)


class _DenseArgs(ctypes.Structure):
    _fields_ = [("pointers", c_uint64 * 9), ("sizes", c_uint32 * 10), ("padding", ctypes.c_int32)]
    _fields_ += [("parts", c_uint32)]
