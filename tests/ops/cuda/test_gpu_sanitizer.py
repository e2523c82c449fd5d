"""tools/sanitize_gpu.py without a GPU: a program of the test's own stands for compute-sanitizer."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]
SPEC = importlib.util.spec_from_file_location("sanitize_gpu", ROOT / "tools" / "sanitize_gpu.py")
assert SPEC is not None
assert SPEC.loader is not None
sanitize = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sanitize)


def program(place: Path, text: str = "") -> str:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return str(place)


def test_it_is_found_on_the_path_then_in_a_toolkit_then_among_packages(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path)}
    packaged = program(tmp_path / "site" / "nvidia" / "cu13" / "bin" / "compute-sanitizer")
    assert sanitize.find(nowhere, [str(tmp_path), str(tmp_path / "site")]) == packaged
    toolkit = program(tmp_path / "cuda" / "compute-sanitizer" / "compute-sanitizer")
    home = {**nowhere, "CUDA_HOME": str(tmp_path / "cuda")}
    assert sanitize.find(home, [str(tmp_path / "site")]) == toolkit
    first = program(tmp_path / "bin" / "compute-sanitizer")
    assert sanitize.find({**home, "PATH": str(tmp_path / "bin")}, [str(tmp_path / "site")]) == first


def test_every_tool_runs_over_tests_that_exist_and_the_first_report_is_the_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, code = tmp_path / "log", sanitize.REPORTED
    codes = f'case "$2" in racecheck) exit {code};; initcheck) exit 3;; esac'
    text = f'echo "$PYTORCH_NO_CUDA_MEMORY_CACHING $@" >> {log}; {codes}'
    assert sanitize.run(program(tmp_path / "compute-sanitizer", text)) == code
    lines = log.read_text().splitlines()
    assert [line.split()[:3] for line in lines] == [["1", "--tool", tool] for tool in sanitize.TOOLS]
    assert all(f"--error-exitcode {code}" in line and "kns=onebit_" in line for line in lines)
    assert (ROOT / lines[0].split()[-1]).is_file()
    said = capfd.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in said] == [
        "nothing to report",
        "REPORTS ERRORS",
        "nothing to report",
        "exit code 3",
    ]


def test_where_it_is_absent_a_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sanitize, "find", lambda *_: None)
    assert sanitize.main() == 0
    assert "left out" in (said := capsys.readouterr().out)
    assert "pip install nvidia-cuda-sanitizer-api" in said


def test_without_a_device_nothing_passes_for_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sanitize, "find", lambda *_: "/bin/true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert sanitize.main() == sanitize.NO_DEVICE
    assert "nothing was run" in capsys.readouterr().out


def test_the_name_that_is_watched_is_that_of_every_kernel() -> None:
    texts = "".join(path.read_text() for path in sorted((ROOT / "native" / "cuda").glob("*.cu")))
    names = re.findall(r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(', texts)
    assert len(names) == texts.count('extern "C" __global__') > 9
    assert all(name.startswith("onebit_") for name in names)
