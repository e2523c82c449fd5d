"""What this CPU can do at most, measured by the loops of native/src/bench/peaks.c.

The library counts a thread's own processor time, so other programs do not lower a peak. What is left of it by the
clock on the wall, while they take their share of the CPUs, is what a job timed by that clock can be compared with.
"""

from __future__ import annotations

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from onebit._errors import NativeError, OptionError
from onebit._registry import unknown_name
from onebit.ops._library import OK, check, lib, path

# The loop that bounds the kernels of an instruction set: the least it needs for a 1-bit product.
BOUND = {
    "amx": "int8_amx",
    "avx512vpopcnt": "popcount_avx512vpopcnt",
    "avx512bw": "popcount_avx512bw",
    "avx2": "popcount_avx2",
    "scalar": "popcount_scalar",
}


class Peak(NamedTuple):
    """One loop: its name, the CPU features it needs, and whether it can run here."""

    name: str
    needs: str
    available: bool


class Rate(NamedTuple):
    """MAC (memory_read: bytes) per second: by the clock on the wall, and of the threads' own processor time."""

    wall: float
    cpu: float


class _Row(ctypes.Structure):
    """ob_peak_row."""

    _fields_ = [("name", ctypes.c_char_p), ("needs", ctypes.c_char_p), ("available", ctypes.c_int32)]


def peaks() -> list[Peak]:
    """Every peak that the library can measure, on this processor family."""
    if not hasattr(lib, "ob_peak"):
        raise NativeError(f"{path} has no function ob_peak: it is older than these sources. Rebuild: `make setup`.")
    lib.ob_peak_list.argtypes = [ctypes.c_int32, ctypes.POINTER(_Row)]
    lib.ob_peak.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_double)]
    found: list[Peak] = []
    row = _Row()
    while lib.ob_peak_list(len(found), ctypes.byref(row)) == OK:
        found.append(Peak(row.name.decode(), row.needs.decode(), bool(row.available)))
    return found


def probe(name: str, threads: int = 1) -> Rate:
    """What `threads` threads reach together when all run the loop at once.

    Raises UnknownName for no such peak, NativeError for one this CPU cannot run, OptionError for threads below 1.
    """
    if threads < 1:
        raise OptionError(f"probe: threads is {threads}; expected 1 or more.")
    known = [peak.name for peak in peaks()]
    if name not in known:
        raise unknown_name("peak", name, known)
    if threads == 1:
        return _once(name)
    with ThreadPoolExecutor(threads) as pool:  # ctypes lets go of the interpreter's lock
        rates = list(pool.map(_once, [name] * threads))
    return Rate(sum(rate.wall for rate in rates), sum(rate.cpu for rate in rates))


def survey(threads: int) -> tuple[dict[str, float], dict[str, str]]:
    """All peaks in T/s (10**12) of processor time, and for those that cannot run here the reason."""
    rates: dict[str, float] = {}
    skipped: dict[str, str] = {}
    for peak in peaks():
        if peak.available:
            rates[peak.name] = probe(peak.name, threads).cpu / 1e12
        else:
            skipped[peak.name] = f"needs {peak.needs}, which this CPU or its operating system lacks"
    return rates, skipped


def _once(name: str) -> Rate:
    rate = ctypes.c_double()
    wall, cpu = time.perf_counter(), time.thread_time()
    check(lib.ob_peak(name.encode(), ctypes.byref(rate)), f"peak {name!r}")
    share = (time.thread_time() - cpu) / (time.perf_counter() - wall)
    return Rate(rate.value * min(1.0, share), rate.value)
