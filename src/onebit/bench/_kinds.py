"""What can be measured: each kind of job, the sizes it takes and those it is measured at by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from onebit._errors import OptionError
from onebit._registry import Registry, unknown_name
from onebit.bench._conv import conv
from onebit.bench._gemm import gemm
from onebit.bench._model import cifar10_convnet, larq_vgg, mlp
from onebit.bench._workload import Workload

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """How to build a workload of a shape, and the shapes that are measured unasked."""

    build: Callable[..., Workload]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of job: `sizes` names the numbers of a shape, `jobs` are what there is of that kind, by name.

    operator: the row of the kernel table that does most of the work.
    """

    name: str
    operator: str
    sizes: tuple[str, ...]
    jobs: Mapping[str, Job]

    def plan(self, names: Sequence[str] = (), shapes: Sequence[Sequence[int]] = ()) -> list[tuple[str, Shape]]:
        """The jobs to measure: those of these names, else all; at these shapes, else each at its own.

        Raises UnknownName for a name, OptionError for a shape without one number of at least 1 for each of `sizes`.
        """
        for name in names:
            if name not in self.jobs:
                raise unknown_name(f"job of `bench {self.name}`", name, self.jobs)
        for shape in shapes:
            self._check(shape)
        chosen = tuple(tuple(shape) for shape in shapes)
        return [(name, shape) for name in names or self.jobs for shape in chosen or self.jobs[name].shapes]

    def workload(self, name: str, shape: Sequence[int]) -> Workload:
        """The job of that name and shape, as `plan` gives them."""
        return self.jobs[name].build(*shape)

    def _check(self, shape: Sequence[int]) -> None:
        if len(shape) != len(self.sizes) or min(shape) < 1:
            raise OptionError(
                f"--shape {' '.join(map(str, shape))} is no shape of `bench {self.name}`; expected "
                f"{len(self.sizes)} whole numbers of at least 1: {' '.join(self.sizes)}."
            )


KINDS: Registry[Kind] = Registry("kind of benchmark")
CUBES = tuple((size,) * 3 for size in (2048, 4096, 8192))
RESNET = ((1, 64, 56), (1, 128, 28), (1, 256, 14), (1, 512, 7))  # the four layers that do ResNet-18's work
NETWORKS = {
    "mlp": Job(mlp, ((1,), (64,), (256,))),
    "cifar10-convnet": Job(cifar10_convnet, ((1,), (64,))),
    "larq-vgg": Job(larq_vgg, ((1,), (64,))),
}
for kind in (
    Kind("gemm", "dense", ("M", "N", "K"), {"dense_int32": Job(gemm, CUBES)}),
    Kind("conv", "conv2d", ("BATCH", "CHANNELS", "SIZE"), {"conv2d_bits": Job(conv, RESNET)}),
    Kind("model", "dense", ("BATCH",), NETWORKS),
):
    KINDS.register(kind.name)(kind)
