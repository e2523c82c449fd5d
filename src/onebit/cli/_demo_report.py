"""What the demo compares and draws: the float network and the packed one on the same pictures."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from onebit.bench import median, take_turns, timed
from onebit.data import Dataset
from onebit.nn import BinaryLayer
from onebit.runtime import PackedModel


@dataclass(frozen=True)
class Side:
    """One of the two networks: accuracy as a share, bytes on disk, ms at batch 1, pictures per second at batch 256."""

    name: str
    accuracy: float
    file_bytes: int
    latency_ms: float
    images_per_second: float
    kernels: str


@dataclass(frozen=True)
class Comparison:
    """Both networks and on how many pictures their answers are the same."""

    float32: Side
    onebit: Side
    pictures: int
    equal_predictions: int

    @property
    def equal(self) -> bool:
        """Whether both gave the same answer to every picture."""
        return self.equal_predictions == self.pictures

    def json(self) -> str:
        """All figures as one JSON object."""
        return json.dumps(asdict(self) | {"equal": self.equal}, indent=2) + "\n"

    def print(self) -> None:
        """The table."""
        from rich.console import Console
        from rich.table import Table

        a, b = self.float32, self.onebit
        table = Table(title=f"The same network, {self.pictures:,} test pictures")
        for column, justify in (("", "left"), (a.name, "right"), (b.name, "right"), ("ratio", "right")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        same = "equal answers" if self.equal else f"{self.pictures - self.equal_predictions} answers differ"
        table.add_row("test accuracy", f"{a.accuracy:.2%}", f"{b.accuracy:.2%}", same)
        table.add_row(
            "file size",
            f"{a.file_bytes / 1e6:.2f} MB",
            f"{b.file_bytes / 1e6:.2f} MB",
            f"{a.file_bytes / b.file_bytes:.1f}x smaller",
        )
        table.add_row(
            "latency, batch 1",
            f"{a.latency_ms:.3f} ms",
            f"{b.latency_ms:.3f} ms",
            f"{a.latency_ms / b.latency_ms:.1f}x faster",
        )
        table.add_row(
            "throughput, batch 256",
            f"{a.images_per_second:,.0f} images/s",
            f"{b.images_per_second:,.0f} images/s",
            f"{b.images_per_second / a.images_per_second:.1f}x faster",
        )
        table.add_row("kernels", a.kernels, b.kernels, "")
        Console().print(table)


def compare(model: nn.Module, packed: PackedModel, test: Dataset, *, run_folder: Path, onnx: Path) -> Comparison:
    """Measure both networks on the test pictures, on the threads torch is set to.

    The float side has its weights binarized once beforehand, as anybody who serves it would do.
    """
    frozen = freeze(model)
    answers = [predictions(network, test.images) for network in (frozen, packed)]
    with torch.no_grad():
        timings = race((frozen, packed), test.images[:1]), race((frozen, packed), test.images[:256])
    sides = [
        Side(
            name=name,
            accuracy=float((answer == test.labels).float().mean()),
            file_bytes=path.stat().st_size,
            latency_ms=timings[0][index] * 1e3,
            images_per_second=min(256, len(test.labels)) / timings[1][index],
            kernels=kernels,
        )
        for index, (name, answer, path, kernels) in enumerate(
            (
                ("torch float32", answers[0], run_folder / "model.safetensors", f"torch {torch.__version__}"),
                ("onebit", answers[1], onnx, " and ".join(sorted(set(packed.kernels().values())))),
            )
        )
    ]
    return Comparison(sides[0], sides[1], len(test.labels), int((answers[0] == answers[1]).sum()))


@torch.no_grad()
def predictions(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The class with the highest score for each picture (N, C, H, W) uint8 -> (N,) int64."""
    return torch.cat([network(images[start : start + 256]).argmax(1) for start in range(0, len(images), 256)])


def freeze(model: nn.Module) -> nn.Module:
    """A copy in eval mode whose binary weights are -1 and +1 already, so that serving it costs no binarization."""
    frozen = copy.deepcopy(model).eval()
    for module in frozen.modules():
        if isinstance(module, BinaryLayer) and module.weight_quantizer is not None:
            module.weight.data = module.weight_quantizer(module.weight.data)
            module.weight_quantizer = None
    return frozen


def race(networks: tuple[Callable[[Tensor], Tensor], ...], x: Tensor, *, seconds: float = 1.0) -> list[float]:
    """Median seconds per call of each network, called in turn so that a drifting machine slows all alike."""
    turns = {str(place): timed(partial(network, x)) for place, network in enumerate(networks)}
    return [median(timings).wall for timings in take_turns(turns, seconds=seconds * len(networks)).values()]


def draw_digits(packed: PackedModel, test: Dataset, path: Path) -> Path:
    """A picture of 32 test digits with the packed network's answers, up to 8 of them wrong, those in red."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    answers = predictions(packed, test.images)
    wrong = (answers != test.labels).nonzero().flatten()[:8]
    right = (answers == test.labels).nonzero().flatten()[: 32 - len(wrong)]
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Answers of the packed 1-bit network (red: wrong, with the true class)")
    for place, index in enumerate(torch.cat([right, wrong]).tolist()):
        axes = figure.add_subplot(4, 8, place + 1)
        axes.imshow(test.images[index, 0].numpy(), cmap="gray_r", vmin=0, vmax=255)
        axes.set_axis_off()
        answer, truth = test.classes[answers[index]], test.classes[test.labels[index]]
        title = answer if answer == truth else f"{answer} (is {truth})"
        axes.set_title(title, fontsize=11, color="black" if answer == truth else "red")
    figure.savefig(path, dpi=120)
    return path
