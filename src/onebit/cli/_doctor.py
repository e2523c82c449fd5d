"""`onebit doctor`: what this machine offers and what onebit makes of it; the first thing to send with a bug report."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import platform
from typing import Any

import torch

import onebit
from onebit._errors import OnebitError

EXTRAS = {
    "train": ("accelerate", "matplotlib", "rich", "safetensors", "tensorboard", "yaml"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "pictures": ("PIL",),
}


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine offers and which kernels run",
        description="Tells the CPU's features, the kernel chosen for each operator, the state of the front doors of "
        "torch and ONNX Runtime, the GPU, and which data sets were found. Exit code 1 if the 1-bit kernels cannot run.",
    )
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument("--model", metavar="FILE", help="a packed .onnx file: say what of it runs in one call, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask every part, print, and say with the exit code whether the 1-bit kernels can run."""
    facts: dict[str, Any] = {
        "onebit": onebit.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
    }
    facts |= native_facts()
    facts["onnxruntime"] = onnxruntime_facts()
    facts["gpu"] = gpu_facts()
    facts["data"] = data_facts(args.root)
    facts["extras"] = {
        extra: [name for name in names if importlib.util.find_spec(name) is None] for extra, names in EXTRAS.items()
    }
    if args.model:
        facts["calls"] = calls(args.model)
    if args.json:
        print(json.dumps(facts))
    else:
        print("\n".join(lines(facts)))
    return 0 if facts["kernels"] else 1


def native_facts() -> dict[str, Any]:
    """The library, the CPU's features, and per operator the kernel chosen and all that could run."""
    try:
        from onebit import ops
        from onebit.ops import native

        return {
            "library": str(native.library_path()),
            "cpu": native.cpu_features(),
            "cpu_unusable": native.cpu_unusable(),
            "kernels": {
                op: {"chosen": native.active(op), "available": native.available_isas(op)} for op in native.operators()
            },
            "choices": choices(),
            "torch_front_door": str(ops.front_door()),
        }
    except OnebitError as error:
        return {
            "library": str(error), "cpu": [], "cpu_unusable": "", "kernels": {}, "choices": {},
            "torch_front_door": "none",
        }  # fmt: skip


def calls(path: str) -> list[str]:
    """What of a packed file runs in one call, and why a call ends where it ends."""
    return onebit.load(path).calls() or ["No two operators of the file follow each other: each is a call of its own."]


def choices() -> dict[str, dict[str, Any]]:
    """For a few typical shapes: the kernel that would run, and the microseconds that the model expects of each."""
    from onebit.ops import native

    found = {
        f"dense {m} x {n} x {k}": native.choice("dense", m, n, k)
        for m, n, k in ((1, 4096, 4096), (64, 4096, 4096), (4096, 4096, 4096), (64, 10, 64))
    }
    for size, c, groups in ((56, 64, 1), (14, 256, 1), (7, 512, 1), (56, 64, 64)):
        name = f"conv2d 3x3, {c} channels, {size}x{size}" + (f", {groups} groups" if groups > 1 else "")
        found[name] = native.conv2d_choice((size, size), c, c, (3, 3), padding=(1, 1, 1, 1), groups=groups)
    return {
        name: {"isa": choice.isa, "us": {isa: ns / 1e3 for isa, ns in choice.nanoseconds.items() if ns < math.inf}}
        for name, choice in found.items()
    }


def onnxruntime_facts() -> str:
    """Whether ONNX Runtime is there and takes our library."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "not installed (pip install onebit[onnx])"
    import onnxruntime

    try:
        from onebit.runtime import register

        register(onnxruntime.SessionOptions())
    except Exception as error:  # whatever ONNX Runtime raises is the finding
        return f"{onnxruntime.__version__}, our library not accepted: {error}"
    return f"{onnxruntime.__version__}, our library registered"


def gpu_facts() -> str:
    """The GPUs torch sees, or why it sees none."""
    if torch.version.cuda is None:
        return "none: this torch is built for the CPU only"
    if not torch.cuda.is_available():
        return f"none found by torch (CUDA {torch.version.cuda})"
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    try:
        from onebit.ops import cuda

        return f"{names}; dense: {', '.join(cuda.kernels())}; conv2d: {', '.join(cuda.conv_kernels())}"
    except OnebitError as error:  # the library is missing, which other lines tell, too
        return f"{names}; no kernels: {error}"


def data_facts(root: str | None) -> dict[str, str]:
    """For each data set where it would come from, without downloading."""
    from onebit import data

    return {name: data.locate(name, root=root) for name in data.names()}


def lines(facts: dict[str, Any]) -> list[str]:
    """The report for a person."""
    out = [f"{key:<12} {facts[key]}" for key in ("onebit", "python", "torch", "machine", "library")]
    out.append(f"{'cpu':<12} {' '.join(facts['cpu']) or 'unknown'}")
    out += [f"{'':<12} {facts['cpu_unusable']}"] if facts["cpu_unusable"] else []
    out += [
        f"{'kernel' if row == 0 else '':<12} {op:<10} {kernel['chosen']}  (can run: {', '.join(kernel['available'])})"
        for row, (op, kernel) in enumerate(facts["kernels"].items())
    ]
    out += [
        f"{'choice' if row == 0 else '':<12} {name}: {choice['isa']}  "
        f"(expected us: {', '.join(f'{isa} {us:.4g}' for isa, us in choice['us'].items())})"
        for row, (name, choice) in enumerate(facts["choices"].items())
    ]
    out += [f"{'one call' if row == 0 else '':<12} {said}" for row, said in enumerate(facts.get("calls", []))]
    out += [f"{'torch door':<12} {facts['torch_front_door']}", f"{'onnxruntime':<12} {facts['onnxruntime']}"]
    out.append(f"{'gpu':<12} {facts['gpu']}")
    out += [
        f"{'data' if row == 0 else '':<12} {name}: {where}" for row, (name, where) in enumerate(facts["data"].items())
    ]
    out += [
        f"{'extra':<12} {extra}: {'complete' if not missing else 'missing ' + ', '.join(missing)}"
        for extra, missing in facts["extras"].items()
    ]
    return out
