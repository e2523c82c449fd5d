"""Draws the kernel figure: three groups of bars, as in arXiv:1602.02830: a product, a network, and its accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onebit._errors import MissingExtra, OutputError
from onebit.bench._figure_numbers import BASELINE, BLAS, ONEBIT, Bar, Figure
from onebit.bench._figure_text import duration, footnote, machine, short_layers, times

COLOURS = {BASELINE: "#9aa5b1", BLAS: "#4a7fb5", ONEBIT: "#e07b28"}
NAMES = {BASELINE: "unoptimised\nfloat32", BLAS: "BLAS\nfloat32", ONEBIT: "onebit\n1 bit"}
INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
HEADROOM = 1.18  # of the axis, above the highest bar, for its label


def draw(figure: Figure, path: Path) -> None:
    """Writes the picture; MissingExtra without matplotlib, OutputError if the file cannot be written."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Drawing needs the package {error.name}; pip install 'onebit[train]'.") from error
    canvas = Canvas(figsize=(10.5, 5.2), facecolor="white")
    FigureCanvasAgg(canvas)
    left, middle, right = canvas.subplots(1, 3, gridspec_kw={"wspace": 0.3})
    canvas.subplots_adjust(left=0.045, right=0.985, top=0.76, bottom=0.24)
    head: dict[str, Any] = {"ha": "left", "color": INK}
    canvas.text(0.03, 0.945, "The same numbers, by three kernels", fontsize=16, fontweight="bold", **head)
    whose = f"{machine(figure)}; 1-bit kernels {figure.isa}"
    canvas.text(0.03, 0.895, whose, fontsize=10, ha="left", color=FAINT)
    _times(left, f"{figure.size:,} x {figure.size:,} x {figure.size:,} product", figure.product)
    _times(middle, f"MLP {short_layers(figure.layers)}, {figure.pictures:,} digits", figure.network)
    _accuracies(right, figure)
    canvas.text(0.03, 0.035, footnote(figure), fontsize=8.5, ha="left", color=FAINT, linespacing=1.5)
    try:
        canvas.savefig(path, dpi=110)
    except OSError as error:
        raise OutputError(f"The figure cannot be written to {path}: {error.strerror}.") from error


def _times(axes: Any, title: str, bars: Mapping[str, Bar]) -> None:
    """Bars of seconds on a logarithmic axis, each with its time and how many times as long as onebit it takes."""
    seconds = {kernel: bar.ms / 1e3 for kernel, bar in bars.items()}
    _frame(axes, title, "time, logarithmic: lower is better")
    low, high = min(seconds.values()) / 4, max(seconds.values())
    top = low * (high / low) ** HEADROOM
    axes.set_yscale("log")
    axes.set_ylim(low, top)
    decades = [10.0**power for power in range(-9, 9) if low < 10.0**power < high]
    axes.set_yticks(decades, [f"{decade:g} s" for decade in decades], fontsize=8.5, color=FAINT)
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for place, (kernel, height) in enumerate(seconds.items()):
        scaled = bars[kernel].extrapolated_from is not None
        hatch = {"hatch": "///", "edgecolor": "white", "linewidth": 0} if scaled else {}
        axes.bar(place, height, width=0.66, color=COLOURS[kernel], **hatch)
        ratio = height / seconds[ONEBIT]
        label = duration(height) + ("*" if scaled else "")
        _label(axes, place, height, label, "" if kernel == ONEBIT else f"{times(ratio)} as long")


def _accuracies(axes: Any, figure: Figure) -> None:
    """Bars of per cent."""
    _frame(axes, "Accuracy on the test digits", "per cent: higher is better")
    axes.set_ylim(0, 100 * HEADROOM)
    for place, kernel in enumerate((BASELINE, BLAS, ONEBIT)):
        answers = figure.answers[kernel]
        axes.bar(place, 100 * answers.accuracy, width=0.66, color=COLOURS[kernel])
        under = "equal answers" if answers.equal and kernel != ONEBIT else ""
        _label(axes, place, 100 * answers.accuracy, f"{answers.accuracy:.2%}", under)


def _frame(axes: Any, title: str, subtitle: str) -> None:
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=22)
    axes.text(0, 1.025, subtitle, transform=axes.transAxes, fontsize=9, color=FAINT)
    axes.set_xticks(range(3), [NAMES[kernel] for kernel in (BASELINE, BLAS, ONEBIT)], fontsize=9.5, color=INK)
    axes.tick_params(axis="x", length=0, pad=6)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)


def _label(axes: Any, place: int, height: float, text: str, under: str) -> None:
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # of grid lines
    lift = {"xy": (place, height), "textcoords": "offset points", "ha": "center", "bbox": clear}
    axes.annotate(under, xytext=(0, 4), fontsize=8.5, color=FAINT, **lift)
    axes.annotate(text, xytext=(0, 16 if under else 4), fontsize=11, fontweight="bold", color=INK, **lift)
