"""Is every CUDA kernel bit-exact? Awkward sizes against the definition in float64, large ones against int8 cuBLAS."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gpu_differences import differences
from gpu_report import Report, reason
from onebit import ops
from onebit.ops import _dense_call, _epilogue, _family
from onebit.ops import cuda as engine
from onebit.ops.cuda import _launch

SHAPES = [
    (1, 1, 1), (1, 10, 784), (3, 65, 63), (17, 64, 64), (64, 130, 127), (129, 10, 4096), (100, 257, 129),
    (300, 200, 1000), (193, 255, 1024), (257, 513, 1025), (1000, 4096, 784), (500, 1000, 4096),
]  # fmt: skip
LARGE = 4096
IN_PARTS = ("mma", "128x256", "128x128", "128x64")  # kernels that are checked with k in two parts, too
SECONDS, MOST_LINES = 60.0, 12  # of one case
POISONED, HUNG = 3, 4  # exit codes
INPUTS = {"dense": _family.WORDS, "dense_u8": _family.PIXELS, "dense_s8": _family.SIGNED_BYTES}


def cases(kernels: list[str]) -> dict[str, Callable[[], list[str]]]:
    """What is checked, by name, each on its own: its failures as lines, empty if all is exact."""
    import gpu_conv

    parts = [f"{kernel}/2" for kernel in kernels if kernel in IN_PARTS]
    dense = {f"dense {kernel or 'chosen'}": partial(_dense, kernel) for kernel in [None, *kernels, *parts]}
    return {"packing": _packing, **dense, "conv2d": gpu_conv.check, "pooling": gpu_conv.check_pooling}


def run(report: Report, names: list[str], known: dict[str, Callable[[], list[str]]]) -> bool:
    """Checks one case after the other, a line of the report for each; leaves the process where a GPU is lost.

    Exit code HUNG: a case did not end in its time. POISONED: after an error of the device nothing runs in a process.
    """
    good = True
    for name in names:
        print(f"check {name} ...", flush=True)
        watch = threading.Timer(SECONDS, lambda: os._exit(HUNG))
        watch.start()
        try:
            wrong, failed = known[name](), ""
            torch.cuda.synchronize()
        except Exception as error:
            traceback.print_exc()
            wrong, failed = [], reason(error)
        finally:
            watch.cancel()
        good &= not (wrong or failed)
        exact = f"NO: {len(wrong)} comparisons differ" if wrong else "exact"
        report.note("check", name, f"FAILED: {failed}" if failed else exact)
        for line in wrong[:MOST_LINES]:
            report.note("check", f"{name}, wrong", line)
        if failed and not _alive():
            raise SystemExit(POISONED)
    return good


def _alive() -> bool:
    """Whether this process can still use the device."""
    try:
        return int(torch.ones(2, device="cuda").sum()) == 2
    except Exception:
        return False


def _dense(kernel: str | None) -> list[str]:
    wrong = []
    for family, given in INPUTS.items():
        for m, n, k in SHAPES:
            wrong += _compare(family, given, *_operands(family, m, n, k), n, k, kernel)
    return wrong + Large().compare(kernel)


def _operands(family: str, m: int, n: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """x, the handle, and the sums."""
    signs = torch.randint(0, 2, (n, k), device="cuda") * 2.0 - 1.0
    weights = torch.ops.onebit.pack_weights(ops.pack(signs.cpu()).cuda(), k)
    if family != "dense":
        x = torch.randint(0, 256, (m, k), device="cuda", dtype=torch.uint8).view(INPUTS[family].dtype)
        real = x.double()
    else:
        x = torch.ops.onebit.pack(torch.randn(m, k, device="cuda"))
        real = torch.ops.onebit.unpack(x, k).double()
    return x, weights, (real @ signs.double().t()).to(torch.int32)


def _compare(
    family: str, given: object, x: Tensor, weights: Tensor, y: Tensor, n: int, k: int, kernel: str | None
) -> list[str]:
    row_bytes = x.shape[1] * x.element_size()
    if not _takes(kernel, family, row_bytes):
        return []
    scale, bias = torch.randn(n, device="cuda"), torch.randn(n, device="cuda")
    # Thresholds that occur as sums, so that ties are common; then the two constant channels.
    threshold = y[torch.randint(0, y.shape[0], (n,), device="cuda"), torch.arange(n, device="cuda")].clone()
    direction = (torch.randint(0, 2, (n,), device="cuda", dtype=torch.int8) * 2 - 1).to(torch.int8)
    threshold[0], direction[0] = -(2**31), 1
    threshold[-1], direction[-1] = 2**31 - 1, 1
    plus = torch.where(direction > 0, y >= threshold, y <= threshold)
    cases = {
        "int32": (_epilogue.INT32, (), y),
        "float": (_epilogue.FLOAT, (scale, bias), y.float() * scale + bias),
        "bits": (_epilogue.BITS, (threshold, direction), ops.pack(torch.where(plus, 1.0, -1.0).cpu()).cuda()),
    }
    wrong = []
    for output, (kind, channels, expected) in cases.items():
        op = _dense_call.Dense(f"{family}_{output}", given, kind)
        got = engine.dense(op, x, weights, n, k, *channels, force=kernel)
        if not torch.equal(got, expected):
            plan = engine.dense_plan(_launch.device_facts(0), op, len(x), n, k, kernel).name
            wrong.append(f"{op.op} m={len(x)} n={n} k={k} by {plan}: {differences(got, expected)}")
    return wrong


def _takes(kernel: str | None, family: str, row_bytes: int) -> bool:
    """Whether a kernel has such rows: the copy engine wants 16 bytes, and one step of k has no two parts."""
    shape, _, parts = (kernel or "").partition("/")
    if (shape == "popc" and family != "dense") or (shape not in ("", "popc", "mma") and row_bytes % 16):
        return False
    return not parts or row_bytes > (64 if shape == "mma" else 128)


class Large:
    """LARGE^3 against int8 cuBLAS, which is exact."""

    def __init__(self) -> None:
        a, b = (torch.randint(0, 2, (LARGE, LARGE), device="cuda", dtype=torch.int8) * 2 - 1 for _ in range(2))
        self.expected = torch._int_mm(a, b.t())
        self.x = torch.ops.onebit.pack(a.float())
        self.weights = torch.ops.onebit.pack_weights(ops.pack(b.float().cpu()).cuda(), LARGE)

    def compare(self, kernel: str | None) -> list[str]:
        """One line if any of the sums differs."""
        if not _takes(kernel, "dense", self.x.shape[1] * 8):
            return []
        op = _dense_call.Dense("dense_int32", _family.WORDS, _epilogue.INT32)
        got = engine.dense(op, self.x, self.weights, LARGE, LARGE, force=kernel)
        if torch.equal(got, self.expected):
            return []
        return [f"dense_int32 {LARGE}^3 beside int8 cuBLAS: {differences(got, self.expected)}"]


def _packing() -> list[str]:
    wrong = []
    for rows, k in ((1, 1), (3, 63), (7, 64), (5, 65), (129, 1000), (4096, 4096)):
        x = torch.randn(rows, k)
        x.view(-1)[::7] = -0.0
        x.view(-1)[3::11] = float("nan")
        words = torch.ops.onebit.pack(x.cuda())
        if not torch.equal(words.cpu(), ops.pack(x)):
            wrong.append(f"pack {rows} x {k}: {differences(words, ops.pack(x))}")
        found, expected = torch.ops.onebit.unpack(words, k).cpu(), ops.unpack(ops.pack(x), k)
        if not torch.equal(found, expected):
            wrong.append(f"unpack {rows} x {k}: {differences(found, expected)}")
    return wrong
