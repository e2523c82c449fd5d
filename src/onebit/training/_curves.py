"""curves.png: loss and validation accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onebit.training._atomic import write_atomic
from onebit.training._callback import Epoch


def draw_curves(history: Sequence[Epoch], title: str, path: Path) -> None:
    """Write the picture; raises OutputError if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [one.epoch for one in history]
    curves = {
        "training loss (squared hinge)": [one.loss for one in history],
        "validation error, %": [100 * (1 - one.validation_accuracy) for one in history],
    }
    for axes, (label, values) in zip(figure.subplots(1, 2), curves.items(), strict=True):
        axes.plot(epochs, values, marker="o", markersize=3)
        axes.set(xlabel="epoch", title=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    best = history[-1].best_epoch
    axes.axvline(best, linestyle="--", color="grey", label=f"best: {history[-1].best:.2%} at epoch {best}")
    axes.legend()
    figure.suptitle(title)
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=120))
