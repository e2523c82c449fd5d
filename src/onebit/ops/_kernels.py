"""The dispatch table of libonebit: which kernels there are, and which this CPU can run."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

from onebit._registry import unknown_name
from onebit.ops._library import OK, KernelRow, lib


class Kernel(NamedTuple):
    """One row of the dispatch table: available says whether this CPU can run it."""

    op: str
    isa: str
    available: bool


def kernels() -> list[Kernel]:
    """Every row of the dispatch table; the rows of one operator come best first."""
    rows: list[Kernel] = []
    row = KernelRow()
    while lib.ob_kernel(len(rows), ctypes.byref(row)) == OK:
        rows.append(Kernel(row.op.decode(), row.isa.decode(), bool(row.available)))
    return rows


def operators() -> list[str]:
    """The names of the dispatch table's operators ("pack", "unpack", "dense", "dense_u8", "conv2d", ...)."""
    return list(dict.fromkeys(kernel.op for kernel in kernels()))


def check_op(op: str) -> None:
    """UnknownName, with the near miss, unless the table has that operator."""
    if op not in operators():
        raise unknown_name("native operator", op, operators())
