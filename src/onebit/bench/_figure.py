"""The kernel figure of arXiv:1602.02830, on the CPU: one product and one network by three kernels, and their answers.

The kernels are an unoptimised float product, the float product of a BLAS, and 1-bit arithmetic. A slow one does a part
of the work, and its time is scaled: each part is as much work as any other. A figure says where that was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

import onebit
from onebit import ops
from onebit._errors import NativeError
from onebit._registry import Registry
from onebit.bench._figure_numbers import BASELINE, BLAS, ONEBIT, Answers, Bar, Figure
from onebit.bench._float_chain import float_chain
from onebit.bench._measure import threads_set
from onebit.bench._plain import plain_matmul, with_plain_products
from onebit.bench._results import cpu_name
from onebit.bench._turns import median, take_turns, timed
from onebit.bench._workload import signs
from onebit.runtime import PackedModel

PACKING = "onebit, packing both operands at every call"
ROWS, PICTURES = 64, 512  # that the baseline does of a product and of a network, at least


@dataclass(frozen=True)
class Share:
    """A call that does `done` of `whole` rows of a job, and its result."""

    run: Callable[[], Tensor]
    done: int
    whole: int


@dataclass(frozen=True)
class Device:
    """What measures on a kind of machine: shares of a square product of that size, and of a network on pictures.

    `whole` asks for all of the work from everybody. The product's shares hold PACKING beside the three kernels.
    """

    product: Callable[[int, bool], dict[str, Share]]
    network: Callable[[PackedModel, Tensor, bool], dict[str, Share]]


DEVICES: Registry[Device] = Registry("device")  # a GPU's kernels would be registered as "cuda"


def cpu_product(size: int, whole: bool) -> dict[str, Share]:
    """The product of two square matrices of signs."""
    x, w = signs(size, size, seed=0), signs(size, size, seed=1)
    words, handle = ops.pack(x), ops.pack_weights(ops.pack(w), size)
    columns = w.t().contiguous()
    rows = size if whole else min(size, _slab(ROWS))
    part = x[:rows].contiguous()
    return {
        BASELINE: Share(lambda: plain_matmul(part, columns), rows, size),
        BLAS: Share(lambda: x @ columns, size, size),
        ONEBIT: Share(lambda: ops.dense_int32(words, handle, size, size), size, size),
        PACKING: Share(
            lambda: ops.dense_int32(ops.pack(x), ops.pack_weights(ops.pack(w), size), size, size), size, size
        ),
    }


def cpu_network(packed: PackedModel, pictures: Tensor, whole: bool) -> dict[str, Share]:
    """A network's scores of all pictures, from bytes."""
    chain = float_chain(packed)
    plain = with_plain_products(chain)
    count = len(pictures)
    rows = count if whole else min(count, _slab(PICTURES))
    part = pictures[:rows]
    return {
        BASELINE: Share(lambda: plain(part), rows, count),
        BLAS: Share(lambda: chain(pictures), count, count),
        ONEBIT: Share(lambda: packed(pictures), count, count),
    }


DEVICES.register("cpu")(Device(cpu_product, cpu_network))


def _slab(least: int) -> int:
    """Rows that give every thread equally many of the baseline's rows of tiles."""
    step = 16 * torch.get_num_threads()
    return -(-least // step) * step


def race(shares: Mapping[str, Share], unit: str, seconds: float) -> dict[str, Bar]:
    """Everybody in turns, after their numbers were compared; the times of shares are scaled to the whole job."""
    check_equal(shares, unit)
    taken = take_turns({name: timed(share.run) for name, share in shares.items()}, seconds=seconds)
    bars = {}
    for name, share in shares.items():
        ms = median(taken[name]).wall * 1e3
        of = None if share.done == share.whole else f"{share.done:,} of {share.whole:,} {unit}"
        bars[name] = Bar(ms * (share.whole / share.done), ms, len(taken[name]), of)
    return bars


def check_equal(shares: Mapping[str, Share], unit: str) -> None:
    """NativeError if a kernel's numbers differ from onebit's."""
    expected = shares[ONEBIT].run()
    for name, share in shares.items():
        if not torch.equal(share.run().to(expected.dtype), expected[: share.done]):
            raise NativeError(f"{share.done} {unit} by {name!r} have other numbers than by onebit. Not timed.")


def answers(shares: Mapping[str, Share], labels: Tensor) -> dict[str, Answers]:
    """The accuracy by each kernel. A share whose answers are all equal to onebit's has onebit's accuracy."""
    expected = shares[ONEBIT].run().argmax(1)
    found = {}
    for name, share in shares.items():
        classes = share.run().argmax(1)
        equal = torch.equal(classes, expected[: share.done])
        seen, truth = (expected, labels) if equal else (classes, labels[: share.done])
        found[name] = Answers(float((seen == truth).float().mean()), share.done, equal)
    return found


@torch.inference_mode()
def figure(
    timed_network: PackedModel,
    trained: PackedModel,
    pictures: Tensor,
    labels: Tensor,
    *,
    accuracy_of: str,
    data: str,
    size: int = 8192,
    threads: int,
    device: str = "cpu",
    whole: bool = False,
    seconds: float = 3.0,
) -> Figure:
    """Measures all three groups; every kernel's numbers are compared with onebit's before they are timed.

    timed_network: whose time on `pictures` is told. trained: whose answers are compared with `labels`; it may be the
    same. accuracy_of, data: what those two are, in words. Raises UnknownName for a device, OptionError for networks
    other than multilayer perceptrons, NativeError for unequal numbers.
    """
    machine = DEVICES[device]
    with threads_set(threads):
        product = race(machine.product(size, whole), "rows", seconds)
        networks = machine.network(timed_network, pictures, whole)
        network = race(networks, "pictures", seconds)
        right = answers(networks if trained is timed_network else machine.network(trained, pictures, True), labels)
        isa = " and ".join(dict.fromkeys(timed_network.kernels().values()))
    packing = product.pop(PACKING)
    return Figure(
        cpu=cpu_name(),
        device=device,
        threads=threads,
        torch=torch.__version__,
        onebit=onebit.__version__,
        isa=isa,
        size=size,
        product=product,
        packing_ms=packing.ms,
        layers=layers_of(timed_network),
        pictures=len(pictures),
        network=network,
        answers=right,
        accuracy_of=accuracy_of,
        data=data,
    )


def layers_of(packed: PackedModel) -> str:
    """A multilayer perceptron in short: "784-4096-4096-10"."""
    layers = [layer for layer in packed.layers() if layer.n]
    return "-".join(map(str, [layers[0].k, *(layer.n for layer in layers)]))
