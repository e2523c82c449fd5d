"""benchmarks/gpu.py where there is no GPU: its parts run on the software device, and what fails is told and costs no
other its lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import gpu  # noqa: E402
import gpu_checks  # noqa: E402
import gpu_conv  # noqa: E402
import gpu_convnet  # noqa: E402
import gpu_mlp  # noqa: E402
import gpu_plan  # noqa: E402
import gpu_report  # noqa: E402
import gpu_timing  # noqa: E402
from gpu_differences import differences  # noqa: E402
from onebit.bits._window import Padding, Window  # noqa: E402
from onebit.ops._conv_checks import Conv  # noqa: E402
from onebit.ops.cuda import Device, _conv_plan  # noqa: E402

HOPPER = (9, 0)


class OnCpu(TorchFunctionMode):
    """What asks for device "cuda" gets the CPU, where the software device works."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == "cuda":
            kwargs["device"] = "cpu"
        if func is torch.Tensor.cuda:
            return args[0]
        if func is torch.Tensor.to and len(args) > 1 and args[1] == "cuda":
            return args[0]
        return func(*args, **kwargs)


class Notes(gpu_report.Report):
    """A report without a machine."""

    def __init__(self, path: Path) -> None:
        self.path, self.machine = path, {"device": "paper"}


@pytest.fixture
def report(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "lines.jsonl")


@pytest.fixture
def paper(software_gpu: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The software device, small sizes, and a clock that always says a millisecond."""
    software_gpu(HOPPER)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))  # no peak to measure
    monkeypatch.setattr(gpu_report, "median_ms", lambda work: (work(), 1.0)[1])
    monkeypatch.setattr(gpu_checks, "SHAPES", [(5, 70, 200)])
    monkeypatch.setattr(gpu_checks, "LARGE", 32)
    monkeypatch.setattr(gpu_conv, "SHAPES", gpu_conv.SHAPES[:1])
    monkeypatch.setattr(gpu_conv, "LAYERS", [(4, 64, 64)])
    monkeypatch.setattr(gpu, "BATCHES", (2, 1))
    monkeypatch.setattr(gpu_mlp, "WIDTHS", (24, 64, 16))
    monkeypatch.setattr(gpu_mlp.Network.__init__, "__defaults__", ((24, 64, 16), 17))
    monkeypatch.setattr(gpu_convnet.ConvNet.__init__, "__defaults__", ("cuda", (64, 64)))
    with OnCpu():
        yield


def lines(report: Notes) -> list[tuple[str, str]]:
    return report.notes("check")


def test_every_check_is_exact_on_the_software_device(paper: None, report: Notes) -> None:
    assert gpu.check(report, ["popc", "mma"])
    assert {what for what, _ in lines(report)} == set(gpu_checks.cases(["popc", "mma"]))
    assert {note for _, note in lines(report)} == {"exact"}


def test_a_wrong_kernel_is_told_with_where_and_by_how_much(
    paper: None, report: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = gpu_checks.engine.dense

    def wrong(op: Any, *arguments: Any, **more: Any) -> Any:
        result = dense(op, *arguments, **more)
        if op.op == "dense_int32" and more["force"] == "mma":
            result[3, 8:16] += 2
        return result

    monkeypatch.setattr(gpu_checks.engine, "dense", wrong)
    assert not gpu.check(report, ["mma"], ["dense chosen", "dense mma"])
    told = [note for what, note in lines(report) if what == "dense mma, wrong"]
    assert "dense_int32 m=5 n=70 k=200 by mma 128x128: 8 of 350 differ; rows 3 of 5; columns 8-15 of 70" in told[0]
    assert "got - expected: 2 x 8" in told[0]
    assert ("dense chosen", "exact") in lines(report)


def test_a_case_that_fails_costs_no_other_its_line(paper: None, report: Notes) -> None:
    def broken() -> list[str]:
        raise RuntimeError("no such kernel\nand its trace")

    assert not gpu_checks.run(report, ["one", "two"], {"one": broken, "two": list})
    assert lines(report) == [("one", "FAILED: RuntimeError: no such kernel"), ("two", "exact")]


def test_the_parts_that_measure_run_and_keep_their_lines(paper: None, report: Notes) -> None:
    """Figures need a device; the calls, names and shapes of every part do not."""
    gpu.matmul(report, 32, ["popc", "mma"])
    gpu.mlp(report)
    gpu.conv(report)
    gpu.peak(report)
    kept = report.path.read_text()
    assert not [line for line in kept.splitlines() if "not measured" in line and "capability" not in line]
    for words in ("onebit operator, bits", "cuBLAS float8", "paper's XNOR kernel", "paper_baseline", "cuDNN bf16"):
        assert words in kept


@pytest.mark.parametrize(
    ("code", "noted", "next_cases"),
    [(gpu_checks.POISONED, 1, 1), (gpu_checks.HUNG, 0, 1), (-11, 1, 2), (1, 9, None)],
)
def test_what_ends_a_process_costs_one_check(
    report: Notes, monkeypatch: pytest.MonkeyPatch, code: int, noted: int, next_cases: int | None
) -> None:
    names = list(gpu_checks.cases(["mma"]))
    calls: list[list[str]] = []

    def apart(report: Notes, part: str, options: list[str], seconds: float) -> int:
        asked = options[options.index("--cases") + 1 :]
        calls.append(asked)
        for name in asked if len(calls) > 1 else asked[:noted]:
            report.note(part, name, "exact")
        return 0 if len(calls) > 1 else code

    monkeypatch.setattr(gpu, "run_apart", apart)
    assert not gpu.run_checks(report, ["mma"], 60.0)
    assert calls[1:] == ([names[next_cases:]] if next_cases else [])
    assert {what for what, _ in lines(report)} == set(names)


class Clock:
    """time.monotonic and processes that need all the time they get, and their last seconds to be killed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.started = 1000.0, list[str]()
        monkeypatch.setattr(gpu.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(gpu.subprocess, "Popen", self.start)

    def start(self, command: list[str]) -> Clock:
        self.started.append(command[command.index("--only") + 1])
        return self

    def wait(self, seconds: float) -> int:
        self.now += seconds
        raise subprocess.TimeoutExpired("a part", seconds)

    def kill(self) -> None:
        pass


@pytest.mark.parametrize("sizes", [[8192, 4096, 16384], [1024] * 9], ids=len)
def test_every_part_gets_its_turn_within_eight_minutes_though_all_of_them_hang(
    report: Notes, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    clock = Clock(monkeypatch)
    assert not gpu.run_all(report, list(gpu.PARTS), sizes, ["popc", "mma"])
    assert clock.now - 1000 <= gpu_plan.LONGEST <= 8 * 60 - 15  # of the start
    assert clock.started == [part for part, _ in gpu_plan.jobs(gpu.PARTS, sizes)]
    kept = report.path.read_text()
    assert all(f'"part": "{part}", "what": "stopped"' in kept for part in gpu.PARTS)


def test_the_parts_fit_without_being_shortened() -> None:
    jobs = gpu_plan.jobs(gpu.PARTS, [8192, 4096, 16384])
    assert sum(gpu_plan.LEAST[part] for part, _ in jobs) <= gpu_plan.LONGEST
    assert set(gpu_plan.LEAST) == set(gpu.PARTS)


def test_the_layers_of_convolutions_fit_into_their_time() -> None:
    """Twice what a measurement takes, for each line of the part on Hopper; compiling takes what is left."""
    convs = [Conv(c, n, Window((3, 3), padding=Padding(1, 1, 1, 1)), 1, 0) for _, c, n in gpu_conv.LAYERS]
    lines = sum(2 + len(_conv_plan.kernels(Device(HOPPER, 132), conv)) for conv in convs) * len(gpu.BATCHES)
    assert lines >= 2 * 5 * (2 + 2)
    assert 2 * lines * gpu_timing.BUDGET_MS / 1e3 < gpu_plan.LEAST["conv"] - gpu_plan.LAST


def test_a_part_whose_time_is_over_says_so_in_every_line_left(paper: None, report: Notes) -> None:
    report.end = 0.0
    gpu.matmul(report, 32, ["mma"])
    left = [note for _, note in report.notes("32^3")]
    assert len(left) > 9
    assert set(left[:-1]) == {"not measured: no time was left"}


def test_nothing_of_onebit_is_needed_before_its_library_is_found() -> None:
    code = f"import sys; sys.modules['onebit'] = None; sys.path.insert(0, {str(BENCHMARKS)!r}); import gpu"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_a_gpu_the_script_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: False))
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert gpu.main() == 2
    assert "no CUDA device" in capsys.readouterr().out


def test_differences_of_bits_are_told_by_channel() -> None:
    expected = torch.zeros(3, 2, dtype=torch.int64)
    got = expected.clone()
    got[1, 1] = 1 << 5
    text = differences(got, expected)
    assert text.startswith("1 of 384 differ; rows 1 of 3; columns 69 of 128 (mod 8 in 5; mod 64 in 5)")
    assert "(1,69): 1 not 0" in text
    assert differences(got, got) == "no difference"
    assert "in place of" in differences(got, got[:2])
