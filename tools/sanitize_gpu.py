"""Runs the small exact tests of the CUDA kernels under NVIDIA's compute-sanitizer; `make test-gpu` does.

    python tools/sanitize_gpu.py

Its tools: memcheck (accesses outside of memory), racecheck (shared memory that nothing orders), synccheck (barriers
used wrongly), initcheck (memory read before it is written). Without the program one line says how to get it, and the
exit code is 0; with it the code is the first of a tool that reports something.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
TESTS = ("-m", "gpu", "-p", "no:cacheprovider", "tests/parity/test_cuda_small.py")
REPORTED, STOPPED, NO_DEVICE = 86, 124, 2  # exit codes: a tool reports something, does not end, has nothing to run on
LONGEST = 1200  # seconds of one tool
INSIDE = ("bin/compute-sanitizer", "compute-sanitizer/compute-sanitizer")
ABSENT = (
    "compute-sanitizer: left out, as it is neither on PATH nor in a CUDA toolkit nor among Python's packages. "
    "Get it with: pip install nvidia-cuda-sanitizer-api (CUDA 12: nvidia-cuda-sanitizer-api-cu12)."
)


def find(environment: Mapping[str, str], packages: Sequence[str]) -> str | None:
    """The program on PATH, else in the toolkit of CUDA_HOME or CUDA_PATH, else in a folder of Python packages."""
    on_path = shutil.which("compute-sanitizer", path=environment.get("PATH", ""))
    if on_path:
        return on_path
    toolkits = [Path(environment[name]) for name in ("CUDA_HOME", "CUDA_PATH") if environment.get(name)]
    toolkits += [Path("/usr/local/cuda")]
    toolkits += [place for root in packages for place in sorted(Path(root).glob("nvidia/*"), reverse=True)]
    found = (str(toolkit / name) for toolkit in toolkits for name in INSIDE)
    return next((path for path in found if os.access(path, os.X_OK) and Path(path).is_file()), None)


def command(program: str, tool: str) -> list[str]:
    """One tool over the tests, watching onebit's kernels only; torch's own are not ours to judge."""
    options = ["--tool", tool, "--kernel-name", "kns=onebit_", "--report-api-errors", "no"]
    return [program, *options, "--error-exitcode", str(REPORTED), sys.executable, "-m", "pytest", *TESTS]


def run(program: str) -> int:
    """The first exit code other than 0; every tool runs, whatever those before it say."""
    # Each tensor with memory of its own: what lies beyond one is then nobody's.
    environment, first = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}, 0
    for tool in TOOLS:
        try:
            code = subprocess.run(
                command(program, tool), cwd=ROOT, env=environment, timeout=LONGEST, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = STOPPED
        said = {0: "nothing to report", REPORTED: "REPORTS ERRORS", STOPPED: f"STOPPED after {LONGEST} s"}
        print(f"compute-sanitizer {tool}: {said.get(code, f'exit code {code}')}", flush=True)
        first = first or code
    return first


def main() -> int:
    """The exit code of the script."""
    import torch

    program = find(os.environ, sys.path)
    if program is None:
        print(ABSENT)
        return 0
    if not torch.cuda.is_available():
        print("compute-sanitizer: torch sees no CUDA device here; nothing was run.")
        return NO_DEVICE
    return run(program)


if __name__ == "__main__":
    sys.exit(main())
