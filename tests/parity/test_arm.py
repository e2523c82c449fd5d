"""64-bit ARM: the C tests, cross-compiled and under emulation. `make test-arm` does the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "qemu-aarch64": "qemu-user", "cmake": "cmake"}
MISSING = [f"{tool} (Debian package {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"not found: {', '.join(MISSING)}")
def test_the_c_tests_pass_on_emulated_arm(tmp_path):
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake' / 'aarch64.cmake'}"
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(tmp_path), "-DCMAKE_BUILD_TYPE=Release", "-DONEBIT_TESTS=ON", toolchain],
        ["cmake", "--build", str(tmp_path), "--parallel", "2"],
        ["ctest", "--test-dir", str(tmp_path), "--output-on-failure"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
