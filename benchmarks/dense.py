"""Dense 1-bit product against this CPU's popcount peak and torch's float32 matmul: one process, one thread, one run.

    python benchmarks/dense.py                      M = N = K = 2048, the best kernel
    python benchmarks/dense.py --isa avx2 --json

The three are timed in turns and the medians are reported, because a shared machine's speed drifts: neighbours in time
are comparable, neighbours in a table are not. The clock is the thread's own processor time, so that other programs of
the machine do not count. The peak is measured by native/popcount_peak.c, compiled on the spot.
libonebit is called through its C ABI; it is taken from ONEBIT_LIBRARY, else from build/native.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
SECONDS_PER_TURN = 0.02


class Epilogue(ctypes.Structure):
    """`ob_epilogue` of onebit.h."""

    _fields_ = [("output", ctypes.c_int32), *((name, ctypes.c_void_p) for name in ("scale", "bias", "thr", "dir"))]


class DenseCall(ctypes.Structure):
    """`ob_dense_call` of onebit.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("m", "n", "k")),
        ("x", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("weights_bytes", ctypes.c_size_t),
        ("epilogue", ctypes.POINTER(Epilogue)),
        ("out", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_size_t),
        ("executor", ctypes.c_void_p),
    ]


def load_library() -> ctypes.CDLL:
    path = os.environ.get("ONEBIT_LIBRARY") or str(ROOT / "build" / "native" / "libonebit.so")
    if not Path(path).is_file():
        sys.exit(f"No library at {path}: run `make setup`, or set ONEBIT_LIBRARY to a built libonebit.so.")
    lib = ctypes.CDLL(path)
    lib.ob_weights_bytes.restype = ctypes.c_size_t
    lib.ob_status_text.restype = ctypes.c_char_p
    return lib


def check(lib: ctypes.CDLL, status: int) -> None:
    if status:
        sys.exit(f"libonebit: {lib.ob_status_text(status).decode()}.")


def popcount_probe(folder: Path) -> Callable[[], float]:
    """Compiles the probe; each call returns the TMAC/s of one core."""
    source, target = ROOT / "benchmarks" / "native" / "popcount_peak.c", folder / "popcount_peak.so"
    command = [os.environ.get("CC", "cc"), "-O3", "-march=native", "-shared", "-fPIC", "-o", str(target), str(source)]
    subprocess.run(command, check=True)
    peak = ctypes.CDLL(str(target)).popcount_peak
    peak.restype, peak.argtypes = ctypes.c_double, [ctypes.c_int64, ctypes.c_void_p]
    sink, rounds = ctypes.c_uint64(), 20_000
    start = time.thread_time()
    peak(rounds, ctypes.addressof(sink))
    rounds = max(1, int(rounds * SECONDS_PER_TURN / (time.thread_time() - start)))
    return lambda: float(peak(rounds, ctypes.addressof(sink)))


def dense_call(lib: ctypes.CDLL, x: torch.Tensor, w: torch.Tensor) -> tuple[DenseCall, torch.Tensor, list[object]]:
    """Packs float x (m, k) and w (n, k); returns the call, its int32 output, and what must stay alive beside them."""
    (m, k), n = x.shape, w.shape[0]
    size = ctypes.c_int64
    words = [torch.zeros(t.shape[0], (k + 63) // 64, dtype=torch.int64) for t in (x, w)]
    for t, packed in zip((x, w), words, strict=True):
        pointers = ctypes.c_void_p(t.data_ptr()), ctypes.c_void_p(packed.data_ptr())
        check(lib, lib.ob_pack_f32(pointers[0], size(t.shape[0]), size(k), pointers[1], None))
    nbytes = lib.ob_weights_bytes(size(n), size(k))
    weights, out = torch.zeros(nbytes, dtype=torch.uint8), torch.zeros(m, n, dtype=torch.int32)
    handle = ctypes.c_void_p(weights.data_ptr())
    pointer = ctypes.c_void_p(words[1].data_ptr())
    check(lib, lib.ob_weights_pack(pointer, size(n), size(k), handle, ctypes.c_size_t(nbytes)))
    epilogue = ctypes.pointer(Epilogue(output=1))
    call = DenseCall(m, n, k, words[0].data_ptr(), weights.data_ptr(), nbytes, epilogue, out.data_ptr())
    return call, out, [words, weights, epilogue]


def rate(macs: int, run: Callable[[], object]) -> Callable[[], float]:
    """Each call runs `run` for about SECONDS_PER_TURN and returns the TMAC/s."""
    run()
    start = time.thread_time()
    run()
    times = max(1, int(SECONDS_PER_TURN / (time.thread_time() - start)))

    def turn() -> float:
        start = time.thread_time()
        for _ in range(times):
            run()
        return macs * times / (time.thread_time() - start) / 1e12

    return turn


def measure(m: int, n: int, k: int, isa: str, repeats: int) -> dict[str, object]:
    torch.set_num_threads(1)
    lib = load_library()
    check(lib, lib.ob_force(isa.encode()))
    check(lib, lib.ob_set_threads(1))
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(rows, k, generator=generator) for rows in (m, n))
    call, out, alive = dense_call(lib, x, w)
    x, w = torch.where(x < 0, -1.0, 1.0), torch.where(w < 0, -1.0, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        turns = {
            "peak": popcount_probe(Path(folder)),
            "onebit": rate(m * n * k, lambda: check(lib, lib.ob_dense(ctypes.byref(call)))),
            "torch": rate(m * n * k, lambda: x @ w.T),
        }
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(repeats):
            for name, turn in turns.items():
                rates[name].append(turn())
    if not torch.equal(out, (x @ w.T).to(torch.int32)):
        sys.exit("onebit's product differs from torch's.")
    del alive
    ran = ctypes.c_char_p()
    check(lib, lib.ob_ran(b"dense", ctypes.byref(ran)))
    median = {name: statistics.median(values) for name, values in rates.items()}
    ms = {name: m * n * k / value / 1e9 for name, value in median.items()}
    return {
        "name": "dense_int32",
        "shape": [m, n, k],
        "isa": (ran.value or b"").decode(),
        "threads": 1,
        "ms": ms["onebit"],
        "tmac_per_s": median["onebit"],
        "popcount_peak_tmac_per_s": median["peak"],
        "fraction_of_peak": median["onebit"] / median["peak"],
        "peers": {"torch float32 matmul": ms["torch"]},
        "ratio": {"torch float32 matmul": median["onebit"] / median["torch"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[2048, 2048, 2048], metavar=("M", "N", "K"))
    parser.add_argument("--isa", default="", help="force an instruction set, e.g. avx2; the best one without this")
    parser.add_argument("--repeats", type=int, default=25, help="turns of each (default 25)")
    parser.add_argument("--json", action="store_true", help="print a list of one row instead of the table")
    args = parser.parse_args()
    m, n, k = args.shape
    row = measure(m, n, k, args.isa, args.repeats)
    if args.json:
        print(json.dumps([row], indent=2))
        return
    peak, fraction = row["popcount_peak_tmac_per_s"], row["fraction_of_peak"]
    print(f"dense int32, M N K = {' '.join(map(str, args.shape))}, one thread, kernel {row['isa']}, medians")
    print(f"  popcount peak          {peak:8.3f} TMAC/s")
    print(
        f"  onebit                 {row['tmac_per_s']:8.3f} TMAC/s   {row['ms']:9.3f} ms   {fraction:.1%} of the peak"
    )
    for name, ms in row["peers"].items():  # type: ignore[attr-defined]
        ratio = row["ratio"][name]  # type: ignore[index]
        print(f"  {name:20}   {row['tmac_per_s'] / ratio:8.3f} TMAC/s   {ms:9.3f} ms   onebit is {ratio:.1f}x as fast")


if __name__ == "__main__":
    main()
