"""`onebit bench KIND`: how fast the kernels are here, beside this CPU's own peaks and other engines, in one run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from onebit._errors import OptionError
from onebit._registry import unknown_name
from onebit.cli import _bench_figure

FIGURE = "figure"
OF_ROWS = ("shape", "only", "peers", "save")
OF_FIGURE = ("model", "root", "out", "device", "quick", "full")


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "bench",
        help="measure the kernels beside this CPU's peaks and other engines",
        description="Measures matrix products (gemm), convolutions (conv) or whole networks (model), or redraws the "
        "paper's kernel figure (figure). Everything is timed in turns in one run and told as medians, with the part "
        "that is reached of what this CPU can do at most.",
    )
    parser.add_argument("kind", metavar="KIND", help="what to measure: gemm, conv, model or figure")
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", default=[], help="model: mlp, cifar10-convnet, larq-vgg (default: all)"
    )
    parser.add_argument(
        "--shape",
        metavar="SIZE",
        type=int,
        nargs="+",
        action="append",
        default=[],
        help="gemm: M N K; conv: BATCH CHANNELS SIZE; model: BATCH; may be given several times",
    )
    parser.add_argument("--threads", metavar="N", type=int, help="for all engines (default: what torch would take)")
    parser.add_argument("--isa", metavar="NAME", help="force an instruction set, e.g. avx2, or all in turn: all")
    parser.add_argument("--peers", action="store_true", help="also torch, ONNX Runtime and OpenVINO, if installed")
    parser.add_argument("--seconds", metavar="S", type=float, default=3.0, help="time for each shape (default: 3)")
    parser.add_argument("--save", metavar="DIR", help="also keep the rows in DIR/<cpu>.jsonl")
    parser.add_argument("--json", action="store_true", help="print a list of rows")
    _bench_figure.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from onebit import bench
    from onebit.ops import native

    if args.kind not in (*bench.KINDS, FIGURE):
        raise unknown_name("kind of benchmark", args.kind, (*bench.KINDS, FIGURE))
    check_options(args)
    threads = native.get_threads() if args.threads is None else args.threads
    check(threads, args.seconds)
    bench.keep_memory()
    if args.kind == FIGURE:
        return _bench_figure.run(args, threads)
    kind = bench.KINDS[args.kind]
    plan = kind.plan(args.only, args.shape)
    rows = []
    for isa in forced(args.isa, kind.operator):
        with native.force(isa):
            for name, shape in plan:
                tell(args, f"measuring {name} {' x '.join(map(str, shape))}{f' by {isa}' if isa else ''} ...")
                job = kind.workload(name, shape)
                rows.append(bench.measure(job, threads=threads, peers=args.peers, seconds=args.seconds))
    print(json.dumps([row.as_dict() for row in rows], indent=2) if args.json else bench.render(rows))
    if args.save:
        path = bench.save(rows, Path(args.save))
        print(f"Kept in {path}.", file=sys.stderr)
    return 0


def forced(isa: str | None, operator: str) -> list[str | None]:
    """The instruction sets to force, one after the other; None leaves the choice to the library, or to ONEBIT_ISA."""
    from onebit.ops import native

    if isa == "all":
        return list(native.available_isas(operator))
    return [isa or native.forced()]


def tell(args: argparse.Namespace, text: str) -> None:
    """A line of progress, for a person only."""
    if not args.json and sys.stderr.isatty():
        print(text, file=sys.stderr)


def check_options(args: argparse.Namespace) -> None:
    """OptionError for an option that the kind does not have."""
    others = OF_ROWS if args.kind == FIGURE else OF_FIGURE
    given = [f"--{name}" for name in others if getattr(args, name)]
    if args.kind == FIGURE and args.isa == "all":
        given = ["--isa all"]
    if given:
        raise OptionError(f"`bench {args.kind}` has no {given[0]}. See `onebit bench --help`.")


def check(threads: int, seconds: float) -> None:
    """OptionError for threads that would share a CPU, or a time that is none."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= threads <= cpus:
        raise OptionError(
            f"--threads is {threads}; expected 1 to {cpus}, the CPUs that this process may use: threads that share one "
            "measure the operating system."
        )
    if not 0 <= seconds <= 3600:
        raise OptionError(f"--seconds is {seconds}; expected 0 to 3600.")
