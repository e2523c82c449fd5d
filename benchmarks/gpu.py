"""The GPU engine against cuBLAS and against the paper's own kernels: is it exact, and how fast is it?

    python benchmarks/gpu.py                        checks, then all measurements (under 8 minutes on an H100)
    python benchmarks/gpu.py --only check peak      parts of it: check, peak, matmul, shapes, mlp
    python benchmarks/gpu.py --sizes 4096 8192 --out results.jsonl

Self-contained: runs from a source tree with any torch that has CUDA, NVRTC beside it and a built libonebit
(ONEBIT_LIBRARY, or build/). Every line of the table is a median of CUDA-graph replays; the same figures are appended
as JSON lines to benchmarks/results/<device>.jsonl. 1 multiply-accumulate is 2 operations. Exit code 1 if a check fails.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("check", "peak", "matmul", "shapes", "mlp")
SLOW_ABOVE = 8192  # the paper's kernels take seconds beyond


def prepare() -> None:
    """Makes `import onebit` find this source tree and a built library."""
    sys.path.insert(0, str(ROOT / "src"))
    if "ONEBIT_LIBRARY" in os.environ:
        return
    places = [ROOT / "src" / "onebit" / "lib", ROOT / "build" / "native", *sorted((ROOT / "build").glob("*"))]
    found = [place / "libonebit.so" for place in places if (place / "libonebit.so").is_file()]
    if not found:
        sys.exit(f"No libonebit.so under {ROOT / 'build'}: run `make test-native`, or set ONEBIT_LIBRARY.")
    os.environ["ONEBIT_LIBRARY"] = str(found[0])


def driver_version() -> str | None:
    """The driver's version, as its own tool tells it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


class Report:
    """Prints a line for each figure and keeps it for the file."""

    def __init__(self, out: Path | None) -> None:
        facts = torch.cuda.get_device_properties(0)
        name = re.sub(r"[^a-z0-9]+", "-", facts.name.lower()).strip("-")
        self.path = out or ROOT / "benchmarks" / "results" / f"{name}.jsonl"
        self.machine = {
            "device": facts.name,
            "processors": facts.multi_processor_count,
            "driver": driver_version(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "date": time.strftime("%Y-%m-%d"),
        }
        self.lines: list[dict[str, Any]] = []

    def add(self, part: str, what: str, ms: float, operations: float, **more: object) -> float:
        """A measurement: milliseconds, and how many operations they did."""
        tops = operations / ms / 1e9 if ms else 0.0
        self.lines.append({**self.machine, "part": part, "what": what, "ms": ms, "tops": tops, **more})
        print(f"{part:<14} {what:<34} {ms:>10.4f} ms {tops:>10.1f} TOPS", flush=True)
        return ms

    def note(self, part: str, what: str, text: str) -> None:
        """A sentence instead of a figure."""
        self.lines.append({**self.machine, "part": part, "what": what, "note": text})
        print(f"{part:<14} {what:<34} {text}", flush=True)

    def save(self) -> None:
        """Appends everything to the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.lines)
        print(f"written: {self.path}")


def measured(
    report: Report, part: str, what: str, work: Callable[[], object], operations: float, **more: object
) -> float:
    """One line, or a note with the reason why this machine cannot run it."""
    from gpu_timing import median_ms

    try:
        return report.add(part, what, median_ms(work), operations, **more)
    except (RuntimeError, torch.OutOfMemoryError) as error:
        report.note(part, what, f"not measured: {str(error).splitlines()[0]}")
        return float("nan")


def check(report: Report, kernels: list[str]) -> bool:
    import gpu_checks

    wrong = gpu_checks.run(kernels)
    report.note("check", "bit-exact", "yes" if not wrong else f"NO: {len(wrong)} comparisons differ")
    print("\n".join(wrong[:40]))
    return not wrong


def peak(report: Report) -> None:
    from gpu_peers import peak_tops

    if torch.cuda.get_device_capability() != (9, 0):
        report.note("peak", "wgmma", "not measured: needs compute capability 9.0")
        return
    for operand, name in ((1, "wgmma b1"), (2, "wgmma u8 s8")):
        report.add("peak", f"{name}, operands in shared memory", 1.0, peak_tops(operand) * 1e9)


def matmul(report: Report, size: int, kernels: list[str]) -> None:
    """One cube: onebit by all its kernels, then the peers and the ratios the project promises."""
    import gpu_peers
    from gpu_onebit import Cube

    part, operations, ms = f"{size}^3", 2.0 * size**3, {}
    cube = Cube(size)
    for name in kernels:
        if name != "popc" or size <= SLOW_ABOVE:
            ms[name] = measured(
                report, part, f"onebit {name}, kernel only, bits", cube.kernel(name, "bits"), operations
            )
    for output in ("bits", "int32", "float"):
        ms[output] = measured(report, part, f"onebit operator, {output}", cube.operator(output), operations)
    measured(report, part, "onebit pack float32", cube.pack, 0.0)
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16), ("int8", torch.int8)):
        with gpu_peers.tf32(False):
            ms[name] = measured(report, part, f"cuBLAS {name}", gpu_peers.cublas(size, dtype), operations)
    with gpu_peers.tf32(True):
        ms["tf32"] = measured(report, part, "cuBLAS tf32", gpu_peers.cublas(size, torch.float32), operations)
    ms["float8"] = measured(report, part, "cuBLAS float8", gpu_peers.float8(size), operations)
    if size <= SLOW_ABOVE:
        a, b = (gpu_peers.signs(size, size, torch.float32) for _ in range(2))
        ms["paper"] = measured(report, part, "paper's float kernel", lambda: gpu_peers.paper_gemm(a, b), operations)
        words, columns = gpu_peers.paper_concatenate(a), gpu_peers.paper_concatenate(b).t().contiguous()
        xnor = lambda: gpu_peers.paper_xnor(words, columns, size)  # noqa: E731
        ms["paper xnor"] = measured(report, part, "paper's XNOR kernel", xnor, operations)
    fastest = min((name for name in kernels if name in ms), key=lambda name: ms[name])
    ratios = ", ".join(f"{name} x{ms[name] / ms[fastest]:.1f}" for name in ms if name not in kernels)
    report.note(part, f"fastest kernel: {fastest}", f"{operations / ms[fastest] / 1e9:.0f} TOPS; against {ratios}")


def shapes(report: Report, kernels: list[str]) -> None:
    """Products of layers: which kernel wins where, to set the choice by size."""
    from gpu_onebit import Cube

    for m, n, k in ((1, 4096, 4096), (16, 4096, 4096), (64, 4096, 4096), (256, 4096, 4096), (1000, 1024, 1024),
                    (10000, 4096, 4096), (10000, 10, 4096)):  # fmt: skip
        cube = Cube(m, n, k)
        for name in kernels:
            if name != "popc" or m <= 256:
                part = f"{m}x{n}x{k}"
                measured(report, part, f"onebit {name}, kernel only, bits", cube.kernel(name, "bits"), 2.0 * m * n * k)
        measured(report, part, f"onebit operator ({cube.choice('bits')})", cube.operator("bits"), 2.0 * m * n * k)


def mlp(report: Report) -> bool:
    """End to end, and exactness: the scores must be those of the float32 network."""
    import gpu_peers
    from gpu_mlp import IMAGES, WIDTHS, Network

    network = Network()
    operations = 2.0 * IMAGES * sum(k * n for k, n in itertools.pairwise(WIDTHS))
    with gpu_peers.tf32(False):
        exact = torch.equal(network.onebit(), network.cublas())
        exact_paper = torch.equal(network.paper_xnor(), network.cublas())
        report.note("mlp", "onebit equals float32", "yes" if exact else "NO")
        report.note("mlp", "paper's XNOR equals float32", "yes" if exact_paper else "NO")
        ms = {
            name: measured(report, "mlp", name, getattr(network, name), operations)
            for name in ("onebit", "cublas", "cublas_bf16", "paper_baseline", "paper_xnor")
        }
    report.note("mlp", "ratios", ", ".join(f"{name} x{value / ms['onebit']:.1f}" for name, value in ms.items()))
    return exact


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[4096, 8192, 16384], metavar="N", help="cubes")
    parser.add_argument("--kernels", nargs="+", metavar="NAME", help="onebit's dense kernels (default: all)")
    parser.add_argument("--out", type=Path, help="the file to append to")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks/gpu.py: torch sees no CUDA device here; nothing was measured.")
        return 2
    prepare()
    torch.manual_seed(0)
    from onebit.ops import cuda as engine

    report, good = Report(args.out), True
    kernels = args.kernels or engine.kernels()
    print(f"{engine.status()}; torch {torch.__version__}")
    try:
        if "check" in args.only:
            good &= check(report, kernels)
        if "peak" in args.only:
            peak(report)
        for size in args.sizes if "matmul" in args.only else ():
            matmul(report, size, kernels)
        if "shapes" in args.only:
            shapes(report, kernels)
        if "mlp" in args.only:
            good &= mlp(report)
    finally:
        report.save()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
