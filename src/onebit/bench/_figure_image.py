"""Draws the kernel figure: three groups of bars, as in arXiv:1602.02830: a product, a network, and its accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onebit._errors import MissingExtra, OutputError
from onebit.bench._figure_numbers import ONEBIT, Bar, Figure
from onebit.bench._figure_text import duration, footnote, machine, short_layers, times

COLOURS = {"plain": "#9aa5b1", "peer": "#4a7fb5", "onebit": "#e07b28"}
INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
WIDTH, ROW, HEAD, LINE = 12.5, 0.44, 1.45, 0.19  # inches: of the picture, a bar, the titles, a line of the footnote
TICKS = 4  # at most, of an axis
ROOM, ACCURACY_ROOM = 1.62, 2.0  # of the axis, in units of the longest bar, for the labels behind the bars


def draw(figure: Figure, path: Path) -> None:
    """Writes the picture; MissingExtra without matplotlib, OutputError if the file cannot be written."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Drawing needs the package {error.name}; pip install 'onebit[train]'.") from error
    canvas = Canvas(facecolor="white")
    FigureCanvasAgg(canvas)
    compose(canvas, figure)
    try:
        canvas.savefig(path, dpi=110)
    except OSError as error:
        raise OutputError(f"The figure cannot be written to {path}: {error.strerror}.") from error


def compose(canvas: Any, figure: Figure) -> None:
    """Sets the canvas's size and puts everything on it."""
    note = footnote(figure)
    foot = 0.75 + LINE * note.count("\n")
    height = HEAD + ROW * len(figure.kernels) + foot
    canvas.set_size_inches(WIDTH, height)
    groups = canvas.subplots(1, 3, gridspec_kw={"wspace": 0.06})
    canvas.subplots_adjust(left=0.135, right=0.99, top=1 - HEAD / height, bottom=foot / height)
    head: dict[str, Any] = {"ha": "left", "color": INK}
    canvas.text(0.02, 1 - 0.36 / height, "The same numbers, by different kernels", fontsize=16, weight="bold", **head)
    whose = f"{machine(figure)}; onebit by {figure.isa}"
    canvas.text(0.02, 1 - 0.64 / height, whose, fontsize=10, ha="left", color=FAINT)
    _times(groups[0], figure, f"{figure.size:,} x {figure.size:,} x {figure.size:,} product", figure.product)
    _times(groups[1], figure, f"MLP {short_layers(figure.layers)}, {figure.pictures:,} digits", figure.network)
    _accuracies(groups[2], figure)
    names = [kernel.name for kernel in figure.kernels.values()]
    groups[0].set_yticks(range(len(names)), names, fontsize=10, color=INK)
    canvas.text(0.02, 0.2 / height, note, fontsize=8.5, ha="left", va="bottom", color=FAINT, linespacing=1.5)


def _times(axes: Any, figure: Figure, title: str, bars: Mapping[str, Bar]) -> None:
    """Bars of seconds on a logarithmic axis, each with its time and how many times as long as onebit it takes."""
    seconds = {kernel: bar.ms / 1e3 for kernel, bar in bars.items()}
    _frame(axes, figure, title, "time, logarithmic, and how many times onebit's")
    low, high = min(seconds.values()) / 4, max(seconds.values())
    axes.set_xscale("log")
    axes.set_xlim(low, low * (high / low) ** ROOM)
    decades = [10.0**power for power in range(-9, 9) if low < 10.0**power <= high]
    decades = decades[:: -(-len(decades) // TICKS)]
    axes.set_xticks(decades, [_decade(decade) for decade in decades], fontsize=8.5, color=FAINT)
    axes.minorticks_off()
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for place, (key, kernel) in enumerate(figure.kernels.items()):
        if key not in seconds:
            _label(axes, place, low, "-", "")
            continue
        scaled = bars[key].extrapolated_from is not None
        hatch = {"hatch": "///", "edgecolor": "white", "linewidth": 0} if scaled else {}
        axes.barh(place, seconds[key], height=0.66, color=COLOURS[kernel.family], **hatch)
        told = duration(seconds[key]) + ("*" if scaled else "")
        _label(axes, place, seconds[key], told, "" if key == ONEBIT else times(seconds[key] / seconds[ONEBIT]))


def _accuracies(axes: Any, figure: Figure) -> None:
    """Bars of per cent."""
    _frame(axes, figure, "Accuracy on the test digits", "per cent: longer is better")
    axes.set_xlim(0, 100 * ACCURACY_ROOM)
    axes.set_xticks([])
    for place, (key, kernel) in enumerate(figure.kernels.items()):
        if key not in figure.answers:
            _label(axes, place, 0, "-", "")
            continue
        answers = figure.answers[key]
        axes.barh(place, 100 * answers.accuracy, height=0.66, color=COLOURS[kernel.family])
        behind = "" if key == ONEBIT else "equal answers" if answers.equal else "other answers"
        _label(axes, place, 100 * answers.accuracy, f"{answers.accuracy:.2%}", behind)


def _frame(axes: Any, figure: Figure, title: str, subtitle: str) -> None:
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=22)
    axes.annotate(subtitle, (0, 1), xycoords="axes fraction", xytext=(0, 8), textcoords="offset points", fontsize=9,
                  color=FAINT)  # fmt: skip
    axes.set_ylim(len(figure.kernels) - 0.5, -0.5)
    axes.set_yticks([])
    axes.tick_params(axis="y", length=0, pad=6)
    for side in ("right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(FAINT)


def _label(axes: Any, place: int, width: float, text: str, behind: str) -> None:
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # of grid lines
    lift = {"xy": (width, place), "textcoords": "offset points", "va": "center", "bbox": clear}
    told = axes.annotate(text, xytext=(5, 0), fontsize=10.5, fontweight="bold", color=INK, **lift)
    if behind:
        axes.annotate(behind, (1, 0.5), xycoords=told, xytext=(5, 0), textcoords="offset points", va="center",
                      fontsize=8.5, color=FAINT, bbox=clear)  # fmt: skip


def _decade(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 0.1 else f"{seconds * 1e3:g} ms"
