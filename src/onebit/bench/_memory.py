"""Lets the C library keep what is freed, so that a measurement does not time the system handing out fresh pages.

A result of 64 MB that is freed goes back to the system, and its pages are zeroed and mapped again at the next call: for
a product of 4096 x 4096 x 4096 by one thread that is a third of the time. All engines of a run are measured alike.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's names for mallopt, from malloc.h
_MOST = 2**31 - 1


def keep_memory() -> bool:
    """Keep freed memory from here on, in this process; False where the C library has no such choice."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))
