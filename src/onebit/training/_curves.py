"""curves.png: what happened over the epochs, in six small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onebit.training._atomic import write_atomic
from onebit.training._callback import Epoch
from onebit.training._recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS_UP_TO = 60  # epochs; more are a line


def draw_curves(history: Sequence[Epoch], recipe: Recipe, path: Path) -> None:
    """Write the picture of the epochs as a PNG; raises OutputError if it cannot be written."""
    figure = curves(history, recipe)
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=110))


def curves(history: Sequence[Epoch], recipe: Recipe) -> Figure:
    """Loss, validation error, learning rate, speed, and flip ratio and saturation of each layer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7), layout="constrained")
    FigureCanvasAgg(figure)
    (loss, error, rate), (flips, saturation, speed) = figure.subplots(2, 3)
    _plot(loss, f"training loss ({recipe.loss})", history, {"": [one.loss for one in history]})
    _plot(error, "validation error, %", history, {"": [100 * (1 - one.validation_accuracy) for one in history]})
    best = history[-1].best_epoch
    error.axvline(best, linestyle="--", color="grey", label=f"best: {100 * history[-1].best:.2f} % right, epoch {best}")
    error.legend()
    _plot(rate, "learning rate at the end of the epoch", history, {"": [one.lr for one in history]}, log=True)
    _plot(flips, "signs flipped in the epoch, %", history, _by_layer([one.flip_ratio for one in history]), log=True)
    _plot(saturation, "latent weights at the clip, %", history, _by_layer([one.weight_saturation for one in history]))
    _plot(speed, "training, images/s", history, {"": [one.images_per_second for one in history]})
    figure.suptitle(f"{recipe.name}: {recipe.description}")
    return figure


def _plot(
    axes: Any, title: str, history: Sequence[Epoch], curves: dict[str, list[float]], *, log: bool = False
) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [one.epoch for one in history]
    marker = "o" if len(epochs) <= MARKERS_UP_TO else None
    for name, values in curves.items():
        axes.plot(epochs, values, marker=marker, markersize=3, label=name)
    if log and any(value > 0 for values in curves.values() for value in values):
        log_scale(axes)  # zeros fall off it, which is what a frozen layer is
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel="epoch", title=title)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if set(curves) - {""}:
        axes.legend(fontsize="small")
    elif not curves:
        axes.text(0.5, 0.5, "no binary layers", ha="center", transform=axes.transAxes)


def log_scale(axes: Any) -> None:
    """A logarithmic vertical axis with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _by_layer(epochs: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """{layer: its percentages over the epochs}."""
    return {name: [100 * epoch[name] for epoch in epochs] for name in epochs[0]}
