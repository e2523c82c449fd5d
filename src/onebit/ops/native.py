"""What libonebit has and does: kernels, the CPU's features, the forced instruction set, threads, the file itself."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import TracebackType

import torch

from onebit._errors import NativeError, OptionError
from onebit._registry import unknown_name
from onebit.ops import _library
from onebit.ops._choice import Choice as Choice
from onebit.ops._choice import choice as choice
from onebit.ops._choice import conv2d_choice as conv2d_choice
from onebit.ops._kernels import Kernel as Kernel
from onebit.ops._kernels import check_op
from onebit.ops._kernels import kernels as kernels
from onebit.ops._kernels import operators as operators
from onebit.ops._library import ERROR_ISA_ABSENT, ERROR_ISA_UNKNOWN, lib

_forced: str | None = os.environ.get("ONEBIT_ISA") or None  # the library has read the same variable


def available_isas(op: str) -> list[str]:
    """The instruction sets of op's kernels that this CPU can run, best first; UnknownName for no such operator."""
    check_op(op)
    return [kernel.isa for kernel in kernels() if kernel.op == op and kernel.available]


def cpu_features() -> list[str]:
    """Instruction set features found on this CPU and enabled by its operating system."""
    features: bytes = lib.ob_cpu_features()
    return features.decode().split()


def cpu_unusable() -> str:
    """One sentence on a feature that this CPU has and this process may not use; "" if there is none."""
    text: bytes = lib.ob_cpu_unusable()
    return text.decode()


def active(op: str) -> str:
    """The instruction set of the kernel that op would run now; where the shape decides (`choice`), for a large one.

    Raises UnknownName for no such operator.
    """
    return _isa_of(op, lib.ob_active)


def ran(op: str) -> str:
    """The instruction set of the kernel that op ran last, on any thread; "" before its first run."""
    return _isa_of(op, lib.ob_ran)


class force:  # noqa: N801  (reads as a verb: native.force("avx2"), with native.force("scalar"): ...)
    """Forces the instruction set of all operators, for the whole process; None goes back to the best.

    An instruction set that has no kernel for an operator or shape (amx only multiplies, and whole words) leaves it to
    the best of the others; `ran` and `choice` tell. It holds from the call on. Used in a `with` statement it ends with
    the block, and what was forced before is back.
    Raises UnknownName (with the near miss) for no such instruction set and NativeError for one this CPU lacks;
    nothing changes then.
    """

    def __init__(self, isa: str | None) -> None:
        self._before = _forced
        _set_forced(isa)

    def __enter__(self) -> force:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set_forced(self._before)


def forced() -> str | None:
    """The instruction set that is forced now, by `force` or by ONEBIT_ISA; None if the best runs."""
    return _forced


def get_threads() -> int:
    """Number of threads that a call may use, the calling thread included."""
    return torch.get_num_threads()


def set_threads(threads: int) -> None:
    """Sets the number of threads of torch and of libonebit's own pool, which follows torch at every call.

    One setting for both, so that the two never add up to more threads than cores.
    Raises OptionError outside 1..1024.
    """
    if not 1 <= threads <= 1024:
        raise OptionError(f"set_threads: threads is {threads}; expected 1 to 1024.")
    torch.set_num_threads(threads)
    _library.check(lib.ob_set_threads(threads), f"set_threads({threads})")


def library_path() -> Path:
    """The file of the loaded libonebit."""
    return _library.path


def version() -> str:
    """The version of the loaded libonebit."""
    text: bytes = lib.ob_version()
    return text.decode()


def _isa_of(op: str, ask: ctypes._CFuncPtr) -> str:  # type: ignore[name-defined]
    check_op(op)
    isa = ctypes.c_char_p()
    _library.check(ask(op.encode(), ctypes.byref(isa)), f"native operator {op!r}")
    return (isa.value or b"").decode()


def _set_forced(isa: str | None) -> None:
    global _forced
    status = lib.ob_force(isa.encode() if isa else None)
    if status == ERROR_ISA_UNKNOWN:
        raise unknown_name("instruction set", str(isa), {kernel.isa for kernel in kernels()})
    if status == ERROR_ISA_ABSENT:
        can = list(dict.fromkeys(kernel.isa for kernel in kernels() if kernel.available))
        raise NativeError(
            f"The instruction set {isa!r} cannot be forced: this CPU, or its operating system, lacks it. "
            f"Here these run: {', '.join(can)}. CPU features: {' '.join(cpu_features()) or 'none found'}."
        )
    _library.check(status, f"force({isa!r})")
    _forced = isa or None
