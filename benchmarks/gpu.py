"""The GPU engine against cuBLAS and against the paper's own kernels: is it exact, and how fast is it?

    python benchmarks/gpu.py                        checks, then all measurements (under 8 minutes on an H100)
    python benchmarks/gpu.py --only check peak      parts of it, see PARTS
    python benchmarks/gpu.py --sizes 4096 8192 --out results.jsonl

Self-contained: runs from a source tree with any torch that has CUDA, NVRTC beside it and a built libonebit
(ONEBIT_LIBRARY, or build/). Every line of the table is a median of CUDA-graph replays; the same figures are appended
as JSON lines to benchmarks/results/<device>.jsonl. 1 multiply-accumulate is 2 operations. Every part runs in a process
of its own with a time limit, so that one that fails, crashes or hangs is told and costs no other its lines. Exit code 1
if a check or a part fails.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

import gpu_plan
from gpu_report import Report, checked, measured, ready, reason

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("check", "matmul", "mlp", "convnet", "figure", "conv", "peak", "shapes")  # what matters most comes first
STOPPED = 124  # the exit code of what had no time left
BATCHES = (1024, 1)  # of convolutions
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


def check(report: Report, kernels: list[str], names: list[str] | None = None) -> bool:
    """Every kernel against the definition, or those cases of it."""
    import gpu_checks

    known = gpu_checks.cases(kernels)
    return gpu_checks.run(report, names or list(known), known)


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
    from onebit.bench import precision
    from onebit.ops import cuda as engine

    part, operations, ms = f"{size}^3", 2.0 * size**3, {}
    cube = Cube(size)
    for name in kernels:
        if name != "popc" or size <= SLOW_ABOVE:
            ms[name] = measured(
                report, part, f"onebit {name}, kernel only, bits", ready(cube.kernel, name, "bits"), operations
            )
    for output in ("bits", "int32", "float"):
        ms[output] = measured(report, part, f"onebit operator, {output}", cube.operator(output), operations)
    measured(report, part, "onebit pack float32", cube.pack, 0.0)
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16), ("int8", torch.int8)):
        with precision(tf32=False):
            ms[name] = measured(report, part, f"cuBLAS {name}", ready(gpu_peers.cublas, size, dtype), operations)
    with precision(tf32=True):
        ms["tf32"] = measured(report, part, "cuBLAS tf32", ready(gpu_peers.cublas, size, torch.float32), operations)
    ms["float8"] = measured(report, part, "cuBLAS float8", ready(gpu_peers.float8, size), operations)
    if size <= SLOW_ABOVE:
        a, b = (gpu_peers.signs(size, size, torch.float32) for _ in range(2))
        ms["paper"] = measured(report, part, "paper's float kernel", lambda: engine.paper_gemm(a, b), operations)
        words, columns = engine.paper_concatenate(a), engine.paper_concatenate(b).t().contiguous()
        xnor = lambda: engine.paper_xnor_gemm(words, columns, size)  # noqa: E731
        ms["paper xnor"] = measured(report, part, "paper's XNOR kernel", xnor, operations)
    timed = [name for name in kernels if ms.get(name, float("nan")) == ms.get(name)]
    if not timed:
        report.note(part, "fastest kernel", "none ran")
        return
    fastest = min(timed, key=lambda name: ms[name])
    ratios = ", ".join(f"{name} x{ms[name] / ms[fastest]:.1f}" for name in ms if name not in kernels)
    report.note(part, f"fastest kernel: {fastest}", f"{operations / ms[fastest] / 1e9:.0f} TOPS; against {ratios}")


def shapes(report: Report, kernels: list[str]) -> None:
    """Products of layers: which kernel wins where, to set the choice by size."""
    from gpu_onebit import Cube

    for m, n, k in ((1, 4096, 4096), (16, 4096, 4096), (64, 4096, 4096), (256, 4096, 4096), (1000, 1024, 1024),
                    (10000, 4096, 4096), (10000, 10, 4096), (256, 256, 65536), (128, 1024, 32768)):  # fmt: skip
        cube = Cube(m, n, k)
        for name in kernels:
            if name != "popc" or m <= 256:
                part = f"{m}x{n}x{k}"
                work = ready(cube.kernel, name, "bits")
                measured(report, part, f"onebit {name}, kernel only, bits", work, 2.0 * m * n * k)
        measured(report, part, f"onebit operator ({cube.choice('bits')})", cube.operator("bits"), 2.0 * m * n * k)


def mlp(report: Report) -> bool:
    """End to end, and exactness: the scores must be those of the float32 network."""
    from gpu_mlp import IMAGES, WIDTHS, Network
    from onebit.bench import precision

    network, exact = Network(), True
    operations = 2.0 * IMAGES * sum(k * n for k, n in itertools.pairwise(WIDTHS))
    with precision(tf32=False):
        for name, engine in (("onebit", network.onebit), ("paper's XNOR", network.paper_xnor)):
            exact = checked(report, "mlp", f"{name} equals float32", engine, network.cublas) and exact
        ms = {
            name: measured(report, "mlp", name, getattr(network, name), operations)
            for name in ("onebit", "cublas", "cublas_bf16", "paper_baseline", "paper_xnor")
        }
    report.note("mlp", "ratios", ", ".join(f"{name} x{value / ms['onebit']:.1f}" for name, value in ms.items()))
    return exact


def convnet(report: Report) -> bool:
    """The paper's ConvNet, end to end: batch 1024, and batch 1 from a CUDA graph, as every measurement here is."""
    from gpu_convnet import ConvNet
    from onebit.bench import precision

    exact = True
    for batch in BATCHES:
        network, part = ConvNet(batch), f"convnet {batch}"
        with precision(tf32=False):
            exact = (
                checked(report, part, "onebit equals float32", network.onebit, network.floats(torch.float32)) and exact
            )
            bf16 = network.floats(torch.bfloat16)
            rows = {
                "onebit": network.onebit,
                "float32": network.floats(torch.float32),
                "bf16": bf16,
                "bf16, torch.compile": torch.compile(bf16, fullgraph=True),
            }
            ms = {name: measured(report, part, name, work, network.operations) for name, work in rows.items()}
        report.note(part, "ratios", ", ".join(f"{name} x{value / ms['onebit']:.1f}" for name, value in ms.items()))
    return exact


def conv(report: Report) -> None:
    """The ConvNet's layers, each kernel and cuDNN, at both batches."""
    import gpu_conv

    for batch in BATCHES:
        for side, c, n in gpu_conv.LAYERS:
            part, operations = f"{batch}x{side}x{side}x{c}->{n}", 2.0 * batch * side * side * n * c * 9
            for name, work in gpu_conv.layer(batch, side, c, n).items():
                measured(report, part, name, work, operations)


def figure(report: Report) -> bool:
    """The paper's kernel figure, as `onebit bench figure --device cuda` draws it; its network is trained here."""
    from onebit import cli

    folder = report.path.parent / "figure"
    options = ["--device", "cuda", "--out", str(folder), "--seconds", "1"]
    code = cli.main(["bench", "figure", *options])
    report.note("figure", "drawn", f"in {folder}" if code == 0 else f"NO: exit code {code}, see above")
    return code == 0


def tf32_off() -> None:
    """cuDNN rounds float32 to TF32 unless it is told not to."""
    torch.backends.cudnn.allow_tf32 = False


def run_part(report: Report, part: str, sizes: list[int], kernels: list[str], names: list[str] | None = None) -> bool:
    """One part in this process; False if a check failed."""
    tf32_off()
    if part == "check":
        return check(report, kernels, names)
    if part == "matmul":
        for size in sizes:
            matmul(report, size, kernels)
        return True
    if part == "shapes":
        shapes(report, kernels)
        return True
    return {"mlp": mlp, "convnet": convnet, "figure": figure, "conv": conv, "peak": peak}[part](report) is not False


def run_apart(report: Report, part: str, options: list[str], seconds: float) -> int:
    """The exit code of one part in a process of its own; what ends it otherwise is a line of the report."""
    command = [sys.executable, str(Path(__file__)), "--only", part, "--out", str(report.path), *options]
    process = subprocess.Popen([*command, "--seconds", f"{max(1.0, seconds - gpu_plan.LAST):.0f}"])
    try:
        code = process.wait(max(1.0, seconds - gpu_plan.KILL))
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in the driver is left to it
            process.wait(gpu_plan.KILL)
        report.note(part, "stopped", f"not finished after {seconds:.0f} s; its lines so far are kept")
        return STOPPED
    if code not in (0, 1):
        report.note(part, "crashed", f"exit code {code}")
    return code


def run_checks(report: Report, kernels: list[str], seconds: float) -> bool:
    """All checks; whatever ends their process costs one of them, and the rest go on in a new one."""
    import gpu_checks

    left, good, end = list(gpu_checks.cases(kernels)), True, time.monotonic() + seconds
    while left and time.monotonic() < end - 5:
        before = len(report.notes("check"))
        options = ["--kernels", *kernels, "--cases", *left]
        code = run_apart(report, "check", options, end - time.monotonic())
        if code == 0:
            return good
        good, done = False, {what for what, _ in report.notes("check")[before:]}
        left = [name for name in left if name not in done]
        if left and code not in (gpu_checks.POISONED, STOPPED):
            report.note("check", left[0], "NO: ended its process, or hung; the rest goes on in another")
            left = left[1:]
    for name in left:
        report.note("check", name, "skipped: no time was left")
    return good and not left


def run_all(report: Report, parts: list[str], sizes: list[int], kernels: list[str]) -> bool:
    """Each part, and each size of the product, apart."""
    jobs = gpu_plan.jobs(parts, sizes)
    good, end = True, time.monotonic() + gpu_plan.LONGEST
    for index, (part, size) in enumerate(jobs):
        seconds = gpu_plan.allowed(jobs, index, end - time.monotonic())
        if seconds < 5:
            report.note(part, "skipped", "no time was left")
            good = False
            continue
        if part == "check":
            good &= run_checks(report, kernels, seconds)
            continue
        options = ["--kernels", *kernels, *(["--sizes", str(size)] if size else [])]
        good &= run_apart(report, part, options, seconds) == 0
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[8192, 4096, 16384], metavar="N", help="cubes")
    parser.add_argument("--kernels", nargs="+", metavar="NAME", help="onebit's dense kernels (default: all)")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="of check (default: all)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no measurement after so many")
    parser.add_argument("--out", type=Path, help="the file to append to")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks/gpu.py: torch sees no CUDA device here; nothing was measured.")
        return 2
    prepare()
    torch.manual_seed(0)
    from onebit.ops import cuda as engine

    report = Report(args.out)
    report.end = time.monotonic() + args.seconds
    kernels = args.kernels or engine.kernels()
    if len(args.only) > 1:
        print(f"{engine.status()}; torch {torch.__version__}", flush=True)
        good = run_all(report, list(args.only), args.sizes, kernels)
        print(f"written: {report.path}")
        return 0 if good else 1
    try:
        return 0 if run_part(report, args.only[0], args.sizes, kernels, args.cases) else 1
    except Exception as error:
        report.note(args.only[0], "failed", reason(error))
        raise SystemExit(1) from error


if __name__ == "__main__":
    sys.exit(main())
