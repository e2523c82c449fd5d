"""What can be measured: each kind of job, the sizes it takes and those it is measured at by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onebit._errors import OptionError
from onebit._registry import Registry
from onebit.bench._conv import conv
from onebit.bench._gemm import gemm
from onebit.bench._model import mlp
from onebit.bench._workload import Workload


@dataclass(frozen=True)
class Kind:
    """A kind of job: `sizes` names the numbers of a shape, `shapes` are the default ones."""

    name: str
    sizes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    build: Callable[..., Workload]

    def workload(self, shape: Sequence[int]) -> Workload:
        """The job of that shape; OptionError unless it has one number of at least 1 for each of `sizes`."""
        if len(shape) != len(self.sizes) or min(shape) < 1:
            raise OptionError(
                f"--shape {' '.join(map(str, shape))} is no shape of `bench {self.name}`; expected "
                f"{len(self.sizes)} whole numbers of at least 1: {' '.join(self.sizes)}."
            )
        return self.build(*shape)


KINDS: Registry[Kind] = Registry("kind of benchmark")
RESNET = ((1, 64, 56), (1, 128, 28), (1, 256, 14), (1, 512, 7))  # the four layers that do ResNet-18's work
for kind in (
    Kind("gemm", ("M", "N", "K"), ((2048, 2048, 2048),), gemm),
    Kind("conv", ("BATCH", "CHANNELS", "SIZE"), RESNET, conv),
    Kind("model", ("BATCH",), ((1,), (64,), (256,)), mlp),
):
    KINDS.register(kind.name)(kind)
