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


def give_back_memory() -> bool:
    """Return the pages of all freed memory to the system, kept or not; False where the C library cannot.

    Memory that is kept is reused only where it fits: what evaluation needed once, in larger batches, stays between what
    the steps need. Called once in an epoch this bounds a training's memory by the most that it uses at one time.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    trim(0)
    return True
