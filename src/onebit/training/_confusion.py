"""Which class is taken for which."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from onebit.data import PictureSet, batches
from onebit.training._atomic import write_atomic

NUMBERS_UP_TO = 20  # classes; more are a picture without numbers and names


@torch.inference_mode()
def confusion(model: nn.Module, dataset: PictureSet, batch_size: int = 1000) -> Tensor:
    """Int64 (C, C) on the CPU: how often a picture of class i (row) has its highest score at class j (column).

    The model is put into evaluation mode. Scores beyond the last class of the set are classes too.
    """
    model.eval()
    counts = torch.zeros(0, dtype=torch.int64)
    for images, labels in batches(dataset, batch_size):
        scores = model(images)
        size = max(scores.shape[1], len(dataset.classes))
        both = labels * size + scores.argmax(1)
        counts = torch.bincount(both, minlength=size * size).cpu() + (counts if len(counts) else 0)
    size = round(len(counts) ** 0.5)
    return counts.reshape(size, size)


def by_class(matrix: Tensor) -> list[tuple[float, int, int | None]]:
    """For each class: the share of its pictures that is right, their number, and the class most often taken for it."""
    rows = []
    for label, row in enumerate(matrix):
        count, right = int(row.sum()), int(row[label])
        wrong = row.clone()
        wrong[label] = 0
        rows.append((right / count if count else 0.0, count, int(wrong.argmax()) if int(wrong.sum()) else None))
    return rows


def draw_confusion(matrix: Tensor, classes: Sequence[str], title: str, path: Path) -> None:
    """The matrix as a picture, in per cent of each row; raises OutputError if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    count = len(matrix)
    small = count <= NUMBERS_UP_TO
    share = 100 * matrix.double() / matrix.sum(1, keepdim=True).clamp(min=1)
    side = max(5.0, 0.62 * count + 2) if small else 8.0
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(share.numpy(), cmap="Blues", norm=PowerNorm(0.4, 0, 100))  # rare mistakes show
    figure.colorbar(image, ax=axes, label="% of the pictures of the class", shrink=0.8)
    axes.set(xlabel="the network says", ylabel="it is", title=title)
    if small:
        names = [_name(classes, label) for label in range(count)]
        axes.set_xticks(range(count), names, rotation=45, ha="right")
        axes.set_yticks(range(count), names)
        for i, j in torch.nonzero(matrix).tolist():
            colour = "white" if share[i, j] > 20 else "black"
            axes.text(j, i, f"{share[i, j]:.1f}", ha="center", va="center", color=colour, fontsize="x-small")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in signs that the font lacks is drawn as boxes
        write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=110))


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if label < len(classes) else str(label)
