"""Which kernel runs a product, in which shape: pure functions of the device's facts and the sizes.

Nothing here touches a device, so every decision is tested without one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from onebit._errors import NativeError, OptionError
from onebit._registry import unknown_name
from onebit.ops.cuda._conv_boxes import Boxes
from onebit.ops.cuda._sources import Kernel
from onebit.ops.cuda._split import Work

BITS, BYTES, SIGNED_BYTES = 1, 2, 3  # what x holds (OB_OPERAND)
OPERANDS = {"": BITS, "_u8": BYTES, "_s8": SIGNED_BYTES}  # by the suffix of an operator family's input
AND, XOR, DOT = 1, 2, 3  # what an accumulator sums (OB_FORM)
INT32 = 1  # the code of the output of plain sums
FEW_ROWS = 16  # up to here the population counts of the CUDA cores win: a tensor-core tile would be empty
LARGEST_K = {BITS: 2**28 - 1, BYTES: 2**22, SIGNED_BYTES: 2**22}  # so that every sum stays below 2**30


@dataclass(frozen=True)
class Device:
    """What decides: compute capability and number of multiprocessors."""

    capability: tuple[int, int]
    processors: int


@dataclass(frozen=True)
class Variant:
    """One shape of the Hopper kernel; see the head of dense_wgmma.cu."""

    consumers: int
    rows: int
    columns: int
    width: int
    stages: int
    pingpong: int
    cluster: int

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of one block's tile."""
        return self.rows * (1 if self.pingpong else self.consumers), self.columns

    @property
    def in_parts(self) -> bool:
        """Whether k can be cut: the larger tiles' sums leave too few registers for the arithmetic, and would spill."""
        return self.consumers == 2 and self.rows == 64 and self.cluster == 1

    @property
    def shared_bytes(self) -> int:
        """Dynamic shared memory: the ring, two tables of bounds and flips, the barriers."""
        ring = self.stages * sum(self.tile) * 128
        return ring + 2 * (self.columns + self.columns // 32) * 4 + (2 * self.stages + 4) * 8

    def macros(self) -> tuple[tuple[str, int], ...]:
        """The fields as the kernel's macros."""
        names = ("consumers", "rows", "columns", "width", "stages", "pingpong", "cluster")
        return tuple((f"OB_{name.upper()}", getattr(self, name)) for name in names)


VARIANTS = {
    "192x256": Variant(3, 64, 256, 128, 4, 0, 1),
    "128x256": Variant(2, 64, 256, 256, 4, 0, 1),
    "128x128": Variant(2, 64, 128, 128, 6, 0, 1),
    "128x64": Variant(2, 64, 64, 64, 8, 0, 1),
    # Not chosen by themselves: they wait for a measurement that shows where they win.
    "192x256-pair": Variant(3, 64, 256, 128, 4, 0, 2),
    "256x192": Variant(2, 128, 192, 192, 4, 0, 1),
    "256x192-pair": Variant(2, 128, 192, 192, 4, 0, 2),
    "128x256-pair": Variant(2, 64, 256, 256, 4, 0, 2),
    "128x192-turns": Variant(2, 128, 192, 192, 5, 1, 1),
    "128x192-turns-pair": Variant(2, 128, 192, 192, 5, 1, 2),
}
CHOSEN_BY_SIZE = ("192x256", "128x256", "128x128", "128x64")


@dataclass(frozen=True)
class Plan:
    """Everything a launch needs but the addresses."""

    kernel: Kernel
    name: str  # for people: "wgmma 192x256"
    form: int
    tile: tuple[int, int]
    grid: int
    threads: int
    shared_bytes: int
    cluster: int
    tensor_maps: tuple[int, int] | None  # rows of the two boxes
    padding: int
    parts: int = 1  # of k, each with int32 sums of its own (_split.py)
    boxes: Boxes | None = None  # of a convolution whose patches the copy engine fetches

    @property
    def row_sums(self) -> bool:
        """Whether the kernel reads popcounts of the operands."""
        return self.form == AND


@functools.lru_cache(maxsize=4096)
def dense(
    device: Device, operand: int, output: int, m: int, n: int, k: int, align: int, force: str | None = None
) -> Plan:
    """The plan for y (m, n) = x (m, k) w' (n, k).

    align: what every row of x starts at a multiple of (16, 8, 4 or 1 bytes). force: "popc", "mma" or a Hopper shape by
    name, and "mma/4" for four parts of k, for tests and measurements. Raises OptionError or UnknownName for sizes or
    names out of range, NativeError for a device that is too old.
    """
    if k > LARGEST_K[operand]:
        raise OptionError(f"dense on CUDA: k is {k}; at most {LARGEST_K[operand]} keeps every sum in its 32 bits.")
    if device.capability < (7, 5):
        raise NativeError(
            f"Compute capability {device.capability} has no integer tensor cores; onebit needs 7.5 or later."
        )
    hopper = device.capability == (9, 0) and align == 16
    row_bytes = _row_bytes(operand, k)
    name, slash, number = (force or _choice(device, operand, m, n, row_bytes, hopper)).partition("/")
    if name == "popc" and operand == BITS and not slash:
        return _popc(output, m, n)
    if name != "mma" and name not in VARIANTS:
        raise unknown_name("dense kernel", f"{name}{slash}{number}", ("popc", "mma", *VARIANTS))
    if name != "mma" and not hopper:
        raise OptionError(f"The dense kernel {name!r} needs compute capability 9.0 and rows of a multiple of 16 bytes.")
    if slash and name != "mma" and not VARIANTS[name].in_parts:
        raise OptionError(f"The dense kernel {name!r} cannot cut k into parts: it has no registers left for that.")
    parts = forced_parts(number, _tiles(row_bytes, 64 if name == "mma" else 128)) if slash else 1
    if name == "mma":
        return _mma(device, operand, output, m, n, k, align, parts)
    return _wgmma(device, operand, output, m, n, name, parts)


def _choice(device: Device, operand: int, m: int, n: int, row_bytes: int, hopper: bool) -> str:
    """The kernel, and the parts of k, by the fewest estimated cycles (`work`); few rows of bits are counted."""
    if operand == BITS and m <= FEW_ROWS:
        return "popc"
    works = {name: work(name, m, n, row_bytes) for name in (CHOSEN_BY_SIZE if hopper else ("mma",))}
    whole = [name for name in works if name != "mma" and not VARIANTS[name].in_parts]
    parts = {name: 1 if name in whole else each.parts(device.processors) for name, each in works.items()}
    best = min(works, key=lambda name: works[name].cycles(device.processors, parts[name]))
    return named_in_parts(best, parts[best])


def work(name: str, m: int, n: int, row_bytes: int) -> Work:
    """What a kernel has to do: waves of tiles, each bound by the tensor core or by its refill.

    The estimate for a Hopper shape: 32,768 products of bits per cycle, 26 bytes of refill per cycle, an epilogue of one
    cycle for 24 results. For mma: a step of 64 bytes in 600 cycles, 2,000 more. Neither has been measured;
    `benchmarks/gpu.py` prints all shapes side by side.
    """
    if name == "mma":
        return Work(_tiles(m, 128) * _tiles(n, 128), _tiles(row_bytes, 64), 600, 2000, m * n)
    rows, columns = VARIANTS[name].tile
    return wgmma_work(VARIANTS[name], _tiles(m, rows) * _tiles(n, columns), row_bytes, m * n)


def wgmma_work(variant: Variant, tiles: int, row_bytes: int, sums: int) -> Work:
    """The same for so many tiles of a Hopper shape."""
    rows, columns = variant.tile
    step = max(rows * columns * 1024 / 32768, (rows + columns) * 128 / 26)
    return Work(tiles, _tiles(row_bytes, 128), step, rows * columns / 24 + 1000, sums)


def forced_parts(number: str, steps: int) -> int:
    """The parts of k that a forced name asks for; no part is empty."""
    if not number.isdecimal() or not 1 <= int(number) <= steps:
        raise OptionError(f"k in {number!r} parts: it has {steps} steps, so 1 to {steps} parts.")
    return _tiles(steps, _tiles(steps, int(number)))


def named_in_parts(name: str, parts: int) -> str:
    """How a plan calls a kernel that is given parts of k."""
    return name if parts == 1 else f"{name}/{parts}"


def split_macros(output: int, parts: int) -> tuple[tuple[str, int], ...]:
    """Macros of the output: parts leave sums."""
    return (("OB_OUTPUT", output),) if parts == 1 else (("OB_OUTPUT", INT32), ("OB_SPLIT", 1))


def _wgmma(device: Device, operand: int, output: int, m: int, n: int, name: str, parts: int) -> Plan:
    variant = VARIANTS[name]
    rows, columns = variant.tile
    tiles = _tiles(_tiles(m, rows), variant.cluster) * _tiles(n, columns) * parts
    macros = (("OB_OPERAND", operand), *split_macros(output, parts), *variant.macros())
    return Plan(
        kernel=Kernel("dense_wgmma", "onebit_dense_wgmma", macros),
        name=named_in_parts(f"wgmma {name}", parts),
        form=AND if operand == BITS else DOT,
        tile=variant.tile,
        grid=min(tiles, max(1, device.processors // variant.cluster)) * variant.cluster,
        threads=128 * (variant.consumers + 1),
        shared_bytes=variant.shared_bytes,
        cluster=variant.cluster,
        tensor_maps=(rows, columns // variant.cluster),
        padding=0,
        parts=parts,
    )


def _mma(device: Device, operand: int, output: int, m: int, n: int, k: int, align: int, parts: int) -> Plan:
    form = form_of_bits(device.capability) if operand == BITS else DOT
    stages = 4 if device.capability >= (8, 0) else 2  # 64 KiB, or 32 where copies go through registers
    macros = (
        ("OB_OPERAND", operand), ("OB_FORM", form), *split_macros(output, parts), ("OB_STAGES", stages),
        ("OB_ALIGN", align),
    )  # fmt: skip
    padded = parts * _tiles(_tiles(_row_bytes(operand, k), 64), parts) * 512
    return Plan(
        kernel=Kernel("dense_mma", "onebit_dense_mma", macros),
        name=named_in_parts("mma 128x128", parts),
        form=form,
        tile=(128, 128),
        grid=_tiles(m, 128) * _tiles(n, 128) * parts,
        threads=128,
        shared_bytes=stages * 2 * 128 * 64,
        cluster=1,
        tensor_maps=None,
        padding=padded - k if operand == BITS and form == DOT else 0,
        parts=parts,
    )


def _popc(output: int, m: int, n: int) -> Plan:
    return Plan(
        kernel=Kernel("dense_popc", "onebit_dense_popc", (("OB_OUTPUT", output),)),
        name="popc 4x64",
        form=XOR,
        tile=(4, 64),
        grid=_tiles(m, 4) * _tiles(n, 64),
        threads=256,
        shared_bytes=0,
        cluster=1,
        tensor_maps=None,
        padding=0,
    )


def form_of_bits(capability: tuple[int, int]) -> int:
    """How mma.sync multiplies bits.

    Up to 8.9 by xor, which is native there and needs no sums; on 9.x by and, because a xor costs two of them; on later
    devices, which have no 1-bit unit, as int8.
    """
    return XOR if capability < (9, 0) else AND if capability < (10, 0) else DOT


def row_alignment(row_bytes: int) -> int:
    """The largest of 16, 8, 4, 1 that every row's start is a multiple of."""
    return next(size for size in (16, 8, 4, 1) if row_bytes % size == 0)


def _row_bytes(operand: int, k: int) -> int:
    return -(-k // 64) * 8 if operand == BITS else k


def _tiles(size: int, tile: int) -> int:
    return -(-size // tile)
