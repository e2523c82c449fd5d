"""What measures the kernel figure: a kind of machine, its kernels, and how each does its part of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from onebit._registry import Registry
from onebit.bench._figure_numbers import Kernel
from onebit.bench._turns import Turn
from onebit.runtime import PackedModel

PACKING = "packing"  # a share beside the kernels': onebit's product, its operands packed at every call


def equal(result: Tensor, expected: Tensor) -> bool:
    """The same numbers, whatever their dtype."""
    return torch.equal(result.to(expected.dtype), expected)


def nearly(result: Tensor, expected: Tensor) -> bool:
    """The same numbers, rounded by a type of few digits: sums of signs, which are not large."""
    return torch.allclose(result.float(), expected.float(), rtol=2**-6, atol=1.0)


def any_numbers(result: Tensor, expected: Tensor) -> bool:
    """A rounded sum beside a threshold may answer otherwise, and so may all that follows: only the shape counts."""
    return result.shape == expected.shape


@dataclass(frozen=True)
class Share:
    """A call that does `done` of `whole` rows of a job, and its result.

    of: what a right result is, made of onebit's. right: whether a result is that.
    """

    run: Callable[[], Tensor]
    done: int
    whole: int
    of: Callable[[Tensor], Tensor] = lambda y: y
    right: Callable[[Tensor, Tensor], bool] = equal


Shares = Mapping[str, Callable[[], Share]]  # kernel -> what makes its share; it raises where the kernel cannot run


class Unfit(Exception):
    """Why a kernel has no part in a group of the figure."""


@dataclass(frozen=True)
class Device:
    """What measures on a kind of machine.

    check: raises NativeError where there is none. machine, setting: its name; how it is set, for a number of threads.
    isa: onebit's kernels for a network, a number of pictures and the size of a product. product: shares of a square
    product of that size, PACKING among them. network: of a network on pictures. In both, True asks for all of the work
    from everybody. turn: how a call is timed. packing: what PACKING packs, in words.
    """

    kernels: Mapping[str, Kernel]
    check: Callable[[], None]
    machine: Callable[[], str]
    setting: Callable[[int], str]
    isa: Callable[[PackedModel, int, int], str]
    product: Callable[[int, bool], Shares]
    network: Callable[[PackedModel, Tensor, bool], Shares]
    turn: Callable[[Callable[[], object]], Turn]
    packing: str


DEVICES: Registry[Device] = Registry("device")
