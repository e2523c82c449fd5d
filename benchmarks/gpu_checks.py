"""Is every CUDA kernel bit-exact? Awkward sizes against the definition in float64, large ones against int8 cuBLAS."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit import ops
from onebit.ops import _dense_call, _epilogue, _family
from onebit.ops import cuda as engine

SHAPES = [
    (1, 1, 1), (1, 10, 784), (3, 65, 63), (17, 64, 64), (64, 130, 127), (129, 10, 4096), (100, 257, 129),
    (300, 200, 1000), (193, 255, 1024), (257, 513, 1025), (1000, 4096, 784), (500, 1000, 4096),
]  # fmt: skip
LARGE = 4096
INPUTS = {"dense": _family.WORDS, "dense_u8": _family.PIXELS, "dense_s8": _family.SIGNED_BYTES}


def run(kernels: list[str]) -> list[str]:
    """Every kernel, input and output at every shape; the failures as lines, empty if all is exact.

    Kernels come one after the other, and each is named before it runs: one that hangs is the last one named.
    """
    wrong = _packing()
    cases = [
        (family, given, *_operands(family, m, n, k), n, k) for family, given in INPUTS.items() for m, n, k in SHAPES
    ]
    large = Large()
    for kernel in [None, *kernels]:
        print(f"checking {kernel or 'the chosen kernels'}", flush=True)
        found = [line for case in cases for line in _compare(*case, kernel)] + large.compare(kernel)
        wrong += [f"{kernel or 'chosen'}: {line}" for line in found]
    return wrong


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
    if (kernel == "popc" and family != "dense") or (kernel not in (None, "popc", "mma") and row_bytes % 16):
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
            wrong.append(f"{op.op} m={len(x)} n={n} k={k}: {int((got != expected).sum())} of {got.numel()} differ")
    return wrong


class Large:
    """LARGE^3 against int8 cuBLAS, which is exact."""

    def __init__(self) -> None:
        a, b = (torch.randint(0, 2, (LARGE, LARGE), device="cuda", dtype=torch.int8) * 2 - 1 for _ in range(2))
        self.expected = torch._int_mm(a, b.t())
        self.x = torch.ops.onebit.pack(a.float())
        self.weights = torch.ops.onebit.pack_weights(ops.pack(b.float().cpu()).cuda(), LARGE)

    def compare(self, kernel: str | None) -> list[str]:
        """One line if any of the sums differs."""
        op = _dense_call.Dense("dense_int32", _family.WORDS, _epilogue.INT32)
        equal = torch.equal(engine.dense(op, self.x, self.weights, LARGE, LARGE, force=kernel), self.expected)
        return [] if equal else [f"{LARGE}^3 differs from int8 cuBLAS"]


def _packing() -> list[str]:
    wrong = []
    for rows, k in ((1, 1), (3, 63), (7, 64), (5, 65), (129, 1000), (4096, 4096)):
        x = torch.randn(rows, k)
        x.view(-1)[::7] = -0.0
        x.view(-1)[3::11] = float("nan")
        words = torch.ops.onebit.pack(x.cuda())
        if not torch.equal(words.cpu(), ops.pack(x)):
            wrong.append(f"pack {rows} x {k} differs from the CPU")
        if not torch.equal(torch.ops.onebit.unpack(words, k).cpu(), ops.unpack(ops.pack(x), k)):
            wrong.append(f"unpack {rows} x {k} differs from the CPU")
    return wrong
