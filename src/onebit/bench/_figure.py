"""The kernel figure of arXiv:1602.02830: one product and one network by several kernels, and their answers.

A slow kernel does a part of the work, and its time is scaled: each part is as much work as any other. A figure says
where that was done, and why a kernel has no bar.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

import onebit
from onebit._errors import NativeError
from onebit.bench._figure_device import DEVICES, PACKING, Device, Share, Shares, Unfit
from onebit.bench._figure_numbers import ONEBIT, Answers, Bar, Figure
from onebit.bench._measure import threads_set
from onebit.bench._turns import Turn, median, take_turns
from onebit.runtime import PackedModel


def race(device: Device, makers: Shares, unit: str, seconds: float) -> tuple[dict[str, Bar], dict[str, str]]:
    """Everybody in turns, after their numbers were compared; and why somebody has no bar.

    The times of shares are scaled to the whole job.
    """
    shares, turns, absent = admitted(device, makers, unit)
    taken = take_turns(turns, seconds=seconds)
    bars = {}
    for name, share in shares.items():
        ms = median(taken[name]).wall * 1e3
        of = None if share.done == share.whole else f"{share.done:,} of {share.whole:,} {unit}"
        bars[name] = Bar(ms * (share.whole / share.done), ms, len(taken[name]), of)
    return bars, absent


def admitted(device: Device, makers: Shares, unit: str) -> tuple[dict[str, Share], dict[str, Turn], dict[str, str]]:
    """Who takes part, ready to be timed, and why somebody does not.

    Raises NativeError if a kernel's numbers differ from onebit's. A peer that this machine cannot run stays out.
    """
    ours = makers[ONEBIT]()
    expected = ours.run()
    shares: dict[str, Share] = {}
    turns: dict[str, Turn] = {}
    absent: dict[str, str] = {}
    for name, make in makers.items():
        try:
            share = ours if name == ONEBIT else make()
            check_right(name, share, expected, unit)
            turns[name], shares[name] = device.turn(share.run), share
        except Unfit as reason:
            absent[name] = str(reason)
        except NativeError:
            raise
        except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
            if name not in device.kernels or device.kernels[name].family != "peer":
                raise
            absent[name] = f"{type(error).__name__}: {[*str(error).splitlines(), ''][0]}"
    return shares, turns, absent


def check_right(name: str, share: Share, expected: Tensor, unit: str) -> None:
    """NativeError if a kernel's numbers are not what they must be beside onebit's."""
    if not share.right(share.run(), share.of(expected[: share.done])):
        raise NativeError(f"{share.done} {unit} by {name!r} have other numbers than by onebit. Not timed.")


def answers(shares: Mapping[str, Share], labels: Tensor) -> dict[str, Answers]:
    """The accuracy by each kernel. A share whose answers are all equal to onebit's has onebit's accuracy."""
    expected = shares[ONEBIT].run().argmax(1).cpu()
    found = {}
    for name, share in shares.items():
        classes = share.run().argmax(1).cpu()
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
    other than multilayer perceptrons, NativeError for unequal numbers or where there is no such device.
    """
    machine = DEVICES[device]
    machine.check()
    with threads_set(threads):
        product, no_product = race(machine, machine.product(size, whole), "rows", seconds)
        networks = machine.network(timed_network, pictures, whole)
        network, no_network = race(machine, networks, "pictures", seconds)
        asked = networks if trained is timed_network else machine.network(trained, pictures, True)
        right = answers({name: asked[name]() for name in network}, labels)
        isa = machine.isa(timed_network, len(pictures), size)
    packing = product.pop(PACKING)
    layers, absent = layers_of(timed_network), {"product": no_product, "network": no_network}
    versions = {"torch": torch.__version__, "onebit": onebit.__version__}
    return Figure(
        machine.machine(), device, machine.setting(threads), **versions, isa=isa, kernels=dict(machine.kernels),
        size=size, product=product, packing=machine.packing, packing_ms=packing.ms, layers=layers,
        pictures=len(pictures), network=network, answers=right, absent=absent, accuracy_of=accuracy_of, data=data,
    )  # fmt: skip


def layers_of(packed: PackedModel) -> str:
    """A multilayer perceptron in short: "784-4096-4096-10"."""
    layers = [layer for layer in packed.layers() if layer.n]
    return "-".join(map(str, [layers[0].k, *(layer.n for layer in layers)]))
