"""The torch operators onebit::*: definitions, and which kernels stand behind them.

A schema has one home, `define` below, because the tags can only be given here on torch before 2.12 and because both
front doors must serve the same schema. The CPU kernels behind it are either
  "c-shim"  plain C functions of libonebit that torch calls through its C shim: no Python on the way, the GIL released;
  "python"  the same C library called through ctypes: a few microseconds more, needs nothing of torch but Library.impl.
The C shim is taken whenever it registers; ONEBIT_TORCH_FRONT=python or c-shim decides otherwise. A host without
Python defines the same schemas itself (aoti_torch_library_def) and then calls ob_register_torch.

No autograd formula is registered: these are inference operators, and a Python autograd kernel would cost every call
several times the C call. The functions of onebit.ops refuse inputs that require a gradient; after a direct call of
torch.ops.onebit.* torch's own warning appears in backward().
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from onebit._errors import NativeError, OnebitError, OptionError
from onebit._registry import unknown_name
from onebit.ops._checks import refuse_devices, refuse_gradients
from onebit.ops._library import lib, path

Kernel = Callable[..., Any]
_DOORS = ("c-shim", "python")
# Lives as long as the process: its end would remove the operators.
_LIBRARY = torch.library.Library("onebit", "DEF")  # type: ignore[no-untyped-call]
_fallbacks: dict[str, Kernel] = {}


class FrontDoor(NamedTuple):
    """Which kernels serve torch.ops.onebit.*: name "c-shim" or "python", and why."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def define(schema: str, fake: Kernel, fallback: Kernel) -> None:
    """Defines onebit::<schema>, its fake (shapes and dtypes only) and remembers its Python kernel."""
    name = schema.partition("(")[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"onebit::{name}", fake, lib=_LIBRARY)
    _fallbacks[name] = fallback


def open_door() -> FrontDoor:
    """Registers the CPU kernels of all operators that are defined; called once, after the last definition."""
    if torch.version.cuda is not None:
        open_cuda()
    wish = os.environ.get("ONEBIT_TORCH_FRONT", "")
    if wish and wish not in _DOORS:
        raise OptionError(f"ONEBIT_TORCH_FRONT: {unknown_name('front door', wish, _DOORS)}")
    if wish == "python":
        return _open_python("ONEBIT_TORCH_FRONT=python asks for it")
    reason = _register_c_kernels()
    if not reason:
        return FrontDoor("c-shim", f"torch {torch.__version__} offers the C shim functions that {path.name} needs")
    if wish == "c-shim":
        raise NativeError(f"ONEBIT_TORCH_FRONT=c-shim, but the C kernels could not be registered; {reason}.")
    return _open_python(reason)


@functools.cache
def open_cuda() -> None:
    """Registers kernels for CUDA tensors, once; the first call of one loads onebit.ops.cuda, and nothing does before.

    A torch without CUDA has no such tensors, so there open_door leaves them out.
    """
    for name in _fallbacks:
        _LIBRARY.impl(name, functools.partial(_on_cuda, name), "CUDA")  # type: ignore[no-untyped-call]


def _on_cuda(name: str, *arguments: object) -> Any:
    from onebit.ops.cuda import OPERATORS

    if name not in OPERATORS:
        raise OptionError(f"{name} has no kernel for CUDA tensors: give it tensors on the CPU (.cpu()).")
    return OPERATORS[name](*arguments)


def _register_c_kernels() -> str:
    """Why the C kernels could not be registered; "" if they are."""
    try:
        register = lib.ob_register_torch
    except AttributeError:
        return f"{path} was built without native/frontends/torch_shim.c"
    status: int = register()
    if status:
        return f"torch {torch.__version__}: {lib.ob_status_text(status).decode()} (libonebit status {status})"
    return ""


def _open_python(why: str) -> FrontDoor:
    for name, kernel in _fallbacks.items():
        _LIBRARY.impl(name, kernel, "CPU")  # type: ignore[no-untyped-call]
    return FrontDoor("python", why)


def run(op: str, explain: Callable[..., object], *arguments: object) -> Tensor:
    """A public function's call of torch.ops.onebit.<op>.

    The kernels check their arguments themselves, so nothing is checked twice while all is well. When C refuses (torch
    raises a RuntimeError), explain(*arguments) finds the class and the better words; what it cannot see in shapes and
    dtypes (a foreign weights handle, a direction that is neither +1 nor -1) becomes a NativeError.
    """
    operator = getattr(torch.ops.onebit, op).default
    if torch.compiler.is_compiling():
        return operator(*arguments)  # type: ignore[no-any-return]
    if torch.is_grad_enabled():
        refuse_gradients(op, operator, arguments)
    try:
        return operator(*arguments)  # type: ignore[no-any-return]
    except OnebitError:  # from the Python kernels, which raise it in the first place
        raise
    except RuntimeError as error:
        refusal = error
    explain(*arguments)
    refuse_devices(op, operator, arguments)
    raise NativeError(str(refusal)) from refusal
