"""Finds libonebit, loads it once and declares its C functions (native/include/onebit.h) to ctypes.

Knows nothing of torch. There is no fallback: without the library importing onebit.ops fails, because a silent slow
path would be taken for the product.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path

import onebit
from onebit._errors import NativeError

OK, ERROR_ISA_UNKNOWN, ERROR_ISA_ABSENT = 0, 7, 8


class KernelRow(ctypes.Structure):
    """ob_kernel_row: one row of the dispatch table."""

    _fields_ = [("op", c_char_p), ("isa", c_char_p), ("available", c_int32)]


class Shape(ctypes.Structure):
    """ob_shape: what the choice of a kernel depends on."""

    _fields_ = [("m", c_int64), ("n", c_int64), ("k", c_int64), ("words", c_int64), ("whole", c_int32)]


class Estimate(ctypes.Structure):
    """ob_estimate: what one kernel would take for a shape."""

    _fields_ = [("isa", c_char_p), ("ns", c_double), ("chosen", c_int32)]


class PackCall(ctypes.Structure):
    """ob_pack_call: sizes, type, layout and operands of one pack."""

    _fields_ = [
        ("batch", c_int64),
        ("places", c_int64),
        ("c", c_int64),
        ("type", c_int32),
        ("layout", c_int32),
        ("x", c_void_p),
        ("threshold", c_void_p),
        ("direction", c_void_p),
        ("drawn", c_int32),
        ("seed", c_uint32),
        ("out", c_void_p),
        ("executor", c_void_p),
    ]


class Epilogue(ctypes.Structure):
    """ob_epilogue: what happens to the exact sum before it is stored."""

    _fields_ = [
        ("output", c_int32),
        ("scale", c_void_p),
        ("bias", c_void_p),
        ("threshold", c_void_p),
        ("direction", c_void_p),
        ("activation", c_int32),
        ("low", c_void_p),
        ("high", c_void_p),
        ("slope", c_void_p),
        ("residual", c_void_p),
        ("residual_last", c_int32),
        ("float_threshold", c_void_p),
        ("bits", c_void_p),
    ]


class DenseCall(ctypes.Structure):
    """ob_dense_call: sizes, operands and scratch of one dense call."""

    _fields_ = [
        ("m", c_int64),
        ("n", c_int64),
        ("k", c_int64),
        ("x", c_void_p),
        ("weights", c_void_p),
        ("weights_bytes", c_size_t),
        ("epilogue", POINTER(Epilogue)),
        ("out", c_void_p),
        ("workspace", c_void_p),
        ("workspace_bytes", c_size_t),
        ("executor", c_void_p),
    ]


Pair, Sides = c_int32 * 2, c_int32 * 4


class ConvCall(ctypes.Structure):
    """ob_conv2d_call: sizes, operands and scratch of one convolution."""

    _fields_ = [
        ("batch", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("c", c_int64),
        ("n", c_int64),
        ("kernel", Pair),
        ("stride", Pair),
        ("padding", Sides),
        ("dilation", Pair),
        ("groups", c_int32),
        ("pad_value", c_int32),
        ("multiplier", c_int32),
        ("offset", c_int32),
        ("x", c_void_p),
        ("weights", c_void_p),
        ("weights_bytes", c_size_t),
        ("epilogue", POINTER(Epilogue)),
        ("out", c_void_p),
        ("workspace", c_void_p),
        ("workspace_bytes", c_size_t),
        ("executor", c_void_p),
    ]


class PoolCall(ctypes.Structure):
    """ob_max_pool2d_call: sizes and operands of one pooling."""

    _fields_ = [
        ("batch", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("c", c_int64),
        ("kernel", Pair),
        ("stride", Pair),
        ("padding", Sides),
        ("x", c_void_p),
        ("minimum", c_void_p),
        ("out", c_void_p),
        ("executor", c_void_p),
    ]


class PoolFloatsCall(ctypes.Structure):
    """ob_pool_floats_call: the largest of each window of 2 x 2, and its place."""

    _fields_ = [
        ("batch", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("c", c_int64),
        ("x", c_void_p),
        ("out", c_void_p),
        ("which", c_void_p),
        ("executor", c_void_p),
    ]


class GradientsCall(ctypes.Structure):
    """ob_sign_gradients_call: sizes and operands of one backward pass."""

    _fields_ = [
        ("batch", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("c", c_int64),
        ("n", c_int64),
        ("kernel", Pair),
        ("stride", Pair),
        ("padding", Sides),
        ("dilation", Pair),
        ("pad_value", c_int32),
        ("stochastic", c_int32),
        ("seed", c_uint32),
        ("upstream", c_void_p),
        ("which", c_void_p),
        ("x", c_void_p),
        ("w", c_void_p),
        ("x_window", c_void_p),
        ("w_window", c_void_p),
        ("x_gradient", c_void_p),
        ("w_gradient", c_void_p),
        ("workspace", c_void_p),
        ("workspace_bytes", c_size_t),
        ("executor", c_void_p),
    ]


# Every function of the headers: name -> (result, arguments). A library that lacks one is of another version.
_FUNCTIONS = {
    "ob_status_text": (c_char_p, [c_int32]),
    "ob_version": (c_char_p, []),
    "ob_cpu_features": (c_char_p, []),
    "ob_cpu_unusable": (c_char_p, []),
    "ob_kernel": (c_int32, [c_int32, POINTER(KernelRow)]),
    "ob_force": (c_int32, [c_char_p]),
    "ob_active": (c_int32, [c_char_p, POINTER(c_char_p)]),
    "ob_ran": (c_int32, [c_char_p, POINTER(c_char_p)]),
    "ob_estimate_kernel": (c_int32, [c_char_p, POINTER(Shape), c_int32, c_int32, POINTER(Estimate)]),
    "ob_set_threads": (c_int32, [c_int32]),
    "ob_get_threads": (c_int32, []),
    "ob_pack": (c_int32, [POINTER(PackCall)]),
    "ob_unpack_f32": (c_int32, [c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
    "ob_weights_bytes": (c_size_t, [c_int64, c_int64]),
    "ob_weights_pack": (c_int32, [c_void_p, c_int64, c_int64, c_void_p, c_size_t]),
    "ob_weights_unpack": (c_int32, [c_void_p, c_size_t, c_int64, c_int64, c_void_p]),
    "ob_dense_workspace": (c_size_t, [c_int64, c_int64, c_int64, c_int32]),
    "ob_dense": (c_int32, [POINTER(DenseCall)]),
    "ob_dense_u8_workspace": (c_size_t, [c_int64, c_int64, c_int64, c_int32]),
    "ob_dense_u8": (c_int32, [POINTER(DenseCall)]),
    "ob_dense_s8_workspace": (c_size_t, [c_int64, c_int64, c_int64, c_int32]),
    "ob_dense_s8": (c_int32, [POINTER(DenseCall)]),
    "ob_conv_weights_bytes": (c_size_t, [c_int64, c_int64, c_int32, Pair]),
    "ob_conv_weights_pack": (c_int32, [c_void_p, c_int64, c_int64, c_int32, Pair, c_void_p, c_size_t]),
    "ob_conv_weights_unpack": (c_int32, [c_void_p, c_size_t, c_int64, c_int64, c_int32, Pair, c_void_p]),
    "ob_conv2d_output": (c_int32, [POINTER(ConvCall), POINTER(c_int64)]),
    "ob_conv2d_shape": (c_int32, [POINTER(ConvCall), POINTER(Shape)]),
    "ob_conv2d_workspace": (c_size_t, [POINTER(ConvCall), c_int32]),
    "ob_conv2d": (c_int32, [POINTER(ConvCall)]),
    "ob_conv2d_u8_workspace": (c_size_t, [POINTER(ConvCall), c_int32]),
    "ob_conv2d_u8": (c_int32, [POINTER(ConvCall)]),
    "ob_conv2d_s8_workspace": (c_size_t, [POINTER(ConvCall), c_int32]),
    "ob_conv2d_s8": (c_int32, [POINTER(ConvCall)]),
    "ob_max_pool2d_output": (c_int32, [POINTER(PoolCall), POINTER(c_int64)]),
    "ob_max_pool2d": (c_int32, [POINTER(PoolCall)]),
    "ob_pool_floats": (c_int32, [POINTER(PoolFloatsCall)]),
    "ob_sign_gradients_workspace": (c_size_t, [POINTER(GradientsCall)]),
    "ob_sign_gradients": (c_int32, [POINTER(GradientsCall)]),
    "ob_network_create": (c_int32, [c_void_p, POINTER(c_int64), POINTER(c_int32)]),
    "ob_network_destroy": (c_int32, [c_int64]),
    "ob_network_run": (c_int32, [c_void_p]),
}


def candidates() -> list[Path]:
    """Where libonebit may be, best first: ONEBIT_LIBRARY alone if it is set, else lib/ in the package's folders."""
    chosen = os.environ.get("ONEBIT_LIBRARY")
    if chosen:
        return [Path(chosen)]  # alone: a wrong path must not silently give another library
    return [Path(folder) / "lib" / "libonebit.so" for folder in onebit.__path__]


def load() -> tuple[ctypes.CDLL, Path]:
    """Loads libonebit; NativeError names the places searched and the command that builds it."""
    places = candidates()
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        origin = "ONEBIT_LIBRARY names" if os.environ.get("ONEBIT_LIBRARY") else "searched"
        raise NativeError(
            f"The native library libonebit was not found; {origin}: {', '.join(map(str, places))}. "
            "Build it with `make setup` in a checkout, or reinstall the onebit wheel; ONEBIT_LIBRARY=FILE names "
            "another build."
        )
    try:
        library = ctypes.CDLL(str(found))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise NativeError(
            f"{found} cannot be used as libonebit: {error}. Rebuild it with `make setup`, so that it matches this "
            f"onebit ({onebit.__version__})."
        ) from error
    _check_version(library, found)
    return library, found


def _check_version(library: ctypes.CDLL, found: Path) -> None:
    """Structures may differ from one version to the next, and C could not tell."""
    version = library.ob_version().decode()
    if version != onebit.__version__:
        raise NativeError(
            f"{found} is libonebit {version}, but this is onebit {onebit.__version__}. Rebuild it with `make setup`, "
            "or name another with ONEBIT_LIBRARY=FILE."
        )


def check(status: int, what: str) -> None:
    """NativeError with the library's own sentence unless the status is OK."""
    if status != OK:
        raise NativeError(f"{what}: {lib.ob_status_text(status).decode()} (libonebit status {status}).")


def _check_forced() -> None:
    """ONEBIT_ISA is read by the library at its first call; a wrong one is better refused at import."""
    isa = c_char_p()
    forced = os.environ.get("ONEBIT_ISA")
    if forced:
        check(lib.ob_active(b"dense", ctypes.byref(isa)), f"The environment variable ONEBIT_ISA={forced}")


lib, path = load()
_check_forced()
