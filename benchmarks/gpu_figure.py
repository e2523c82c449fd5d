"""Draws the paper's figure, with today's bars beside its three, from what benchmarks/gpu.py measured.

    python benchmarks/gpu_figure.py benchmarks/results/<device>.jsonl [--size 8192] [--out figure.png]

Two panels: a matrix product, and the MLP over 10,000 images. Time, so lower is better; each bar says how many times
faster than the paper's baseline kernel it is. The newest line of each name counts. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

Bars = dict[str, float]
MLP = {
    "paper_baseline": "paper's baseline", "paper_xnor": "paper's XNOR", "cublas": "cuBLAS float32",
    "cublas_bf16": "cuBLAS bf16", "onebit": "onebit",
}  # fmt: skip
MATMUL = {
    "paper's float kernel": "paper's baseline", "paper's XNOR kernel": "paper's XNOR",
    "cuBLAS float32": "cuBLAS float32", "cuBLAS tf32": "cuBLAS TF32",
    "cuBLAS bf16": "cuBLAS bf16", "cuBLAS int8": "cuBLAS int8", "cuBLAS float8": "cuBLAS float8",
    "onebit operator, bits": "onebit",
}  # fmt: skip


def newest(lines: list[dict[str, Any]], part: str, names: dict[str, str]) -> Bars:
    """Milliseconds by bar, in the order of `names`; what was not measured is left out."""
    found = {line["what"]: line["ms"] for line in lines if line["part"] == part and line.get("ms")}
    return {label: found[what] for what, label in names.items() if found.get(what, float("nan")) == found.get(what)}


def draw(panels: dict[str, Bars], device: str, out: Path) -> None:
    """One panel for each set of bars, logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(6.5 * len(panels), 4), squeeze=False)
    for axis, (title, bars) in zip(axes[0], panels.items(), strict=True):
        first = next(iter(bars.values()))
        colours = ["#d97706" if label == "onebit" else "#64748b" for label in bars]
        drawn = axis.barh(list(bars), list(bars.values()), color=colours)
        axis.bar_label(drawn, [f" {ms:.3g} ms, {first / ms:,.1f}x" for ms in bars.values()], fontsize=8)
        axis.set(title=title, xlabel="milliseconds (lower is better)", xscale="log")
        axis.set_xlim(right=max(bars.values()) * 12)
        axis.invert_yaxis()
    figure.suptitle(device)
    figure.tight_layout()
    figure.savefig(out, dpi=150)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="the file that benchmarks/gpu.py wrote")
    parser.add_argument("--size", type=int, default=8192, help="of the matrix product")
    parser.add_argument("--out", type=Path, help="PNG to write; a JSON file is written beside it")
    args = parser.parse_args()
    lines = [json.loads(line) for line in args.results.read_text().splitlines()]
    panels = {f"{args.size} x {args.size} x {args.size}": newest(lines, f"{args.size}^3", MATMUL),
              "MLP 784 - 3 x 4096 - 10, 10,000 images": newest(lines, "mlp", MLP)}  # fmt: skip
    panels = {title: bars for title, bars in panels.items() if len(bars) > 1}
    if not panels:
        print(f"{args.results} holds no figures for size {args.size} or the MLP: run benchmarks/gpu.py first.")
        return 2
    out = args.out or args.results.with_suffix(".png")
    draw(panels, lines[-1]["device"], out)
    out.with_suffix(".json").write_text(json.dumps({"device": lines[-1]["device"], "milliseconds": panels}, indent=2))
    print(f"written: {out}, {out.with_suffix('.json')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
