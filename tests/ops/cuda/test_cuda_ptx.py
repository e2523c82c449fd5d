"""What NVRTC makes of the kernels, on a machine that executes PTX: every kernel once, and that a fault shows.

`make test-cuda-emulated` runs all laws of this folder so.
"""

from __future__ import annotations

import functools
import operator
import os
import re
from collections.abc import Callable
from ctypes import c_uint32, c_void_p
from typing import Any

import pytest
import torch
from torch import Tensor

from onebit import bits, ops
from onebit.bits import _reference as reference
from onebit.bits import _reference_conv as conv_reference
from onebit.bits import _reference_s8 as reference_s8
from onebit.bits._window import Padding, Window
from onebit.ops import _epilogue
from onebit.ops import cuda as engine
from onebit.ops.cuda import _driver, _finish, _launch, _operators
from onebit.ops.cuda._operators import CONV2D, DENSE
from onebit.ops.cuda._sources import Kernel

HOPPER, AMPERE, TURING, BLACKWELL = (9, 0), (8, 0), (7, 5), (12, 0)
BY_NAME = {op.op: op for op in (*DENSE, *CONV2D)}
WRONG = "another result than the definition's"
SHAPE = (37, 70, 300)  # rows, channels, k: tails everywhere


def dense(kernel: str | None, output: str = "bits", shape: tuple[int, int, int] = SHAPE, family: str = "dense") -> None:
    """A product of seeded operands is the definition's, or what the machine says against it."""
    m, n, k = shape
    g = torch.Generator().manual_seed(0)
    w, x = bits.pack(torch.randn(n, k, generator=g)), bits.pack(torch.randn(m, k, generator=g))
    pixels, home = torch.randint(0, 256, (m, k), generator=g, dtype=torch.uint8), reference
    given: Any = x if family == "dense" else pixels
    if family == "dense_s8":
        given, home = pixels.view(torch.int8), reference_s8
    y = getattr(home, f"{family}_int32")(given, w)
    channels: tuple[Tensor, ...] = ()
    if output == "bits":
        channels = (y[torch.randint(0, m, (n,), generator=g), torch.arange(n)].clone(), ones(n, g).to(torch.int8))
    expected = getattr(home, f"{family}_{output}")(given, w, *channels)
    words, handle = getattr(given, "words", given), ops.pack_weights(w.words, k)
    got = engine.dense(BY_NAME[f"{family}_{output}"], words, handle, n, k, *channels, force=kernel)
    assert torch.equal(got, getattr(expected, "words", expected)), WRONG


def ones(n: int, g: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (n,), generator=g) * 2 - 1


@pytest.mark.parametrize(
    ("capability", "family", "kernel"),
    [
        (TURING, "dense", "mma"),
        (AMPERE, "dense", "popc"),
        (AMPERE, "dense", "mma"),
        (HOPPER, "dense", "mma"),
        (HOPPER, "dense_u8", "128x64"),
        (HOPPER, "dense", "128x64"),
        (HOPPER, "dense", "128x192-turns-pair"),
        (BLACKWELL, "dense", "mma"),
        (TURING, "dense_u8", "mma"),
        (TURING, "dense_s8", "mma"),
        (AMPERE, "dense_s8", "mma"),
        (HOPPER, "dense_s8", "128x64"),
    ],
)
def test_every_product_is_the_definition(
    ptx_gpu: Callable, capability: tuple[int, int], family: str, kernel: str
) -> None:
    device = ptx_gpu(capability)
    dense(kernel, "bits", (37, 70, 256 if "x" in kernel else 300), family)
    file = "wgmma" if "x" in kernel else kernel
    assert f"onebit_dense_{file}" in {name for name, _ in device.launched}


@pytest.mark.parametrize(
    ("capability", "kernel", "k"),
    [(AMPERE, "mma/2", 1300), (HOPPER, "mma/3", 1300), (BLACKWELL, "mma/2", 600), (HOPPER, "128x64/2", 1920)],
)
def test_parts_of_k_add_up(ptx_gpu: Callable, capability: tuple[int, int], kernel: str, k: int) -> None:
    device = ptx_gpu(capability)
    dense(kernel, "bits", (37, 70, k))
    assert device.launched[-1][0] == "onebit_finish"


@pytest.mark.parametrize(("capability", "kernel"), [(TURING, "mma"), (HOPPER, "mma"), (AMPERE, "popc")])
def test_every_convolution_is_the_definition(ptx_gpu: Callable, capability: tuple[int, int], kernel: str) -> None:
    device = ptx_gpu(capability)
    g = torch.Generator().manual_seed(1)
    w, x = bits.pack(torch.randn(9, 2, 3, 65, generator=g)), bits.pack(torch.randn(2, 5, 4, 65, generator=g))
    window = Window((2, 3), (1, 2), Padding(1, 0, 2, 1), (2, 1))
    handle = ops.pack_conv_weights(w.words, 65, 1, [2, 3])
    sizes = [9, 65, [2, 3], [1, 2], [1, 0, 2, 1], [2, 1], 1, 0]
    got = engine.conv2d(BY_NAME["conv2d_int32"], x.words, handle, *sizes, force=kernel)
    assert torch.equal(got, conv_reference.conv2d_int32(x, w, window, 1, 0))
    assert device.launched[-1][0] == f"onebit_conv2d_{kernel}"


@pytest.mark.parametrize(("c", "groups", "kernel"), [(100, 1, "128x64"), (1000, 1, "128x64/2"), (400, 2, "128x128")])
def test_convolutions_by_warpgroups_are_the_definition(ptx_gpu: Callable, c: int, groups: int, kernel: str) -> None:
    device = ptx_gpu(HOPPER)
    convolution(kernel, c, groups)
    assert "onebit_conv2d_wgmma" in {name for name, _ in device.launched}


def convolution(kernel: str, c: int, groups: int = 1, images: int = 3) -> None:
    """A convolution of seeded operands is the definition's, or what the machine says against it."""
    g = torch.Generator().manual_seed(4)
    n = 66 * groups
    w, x = (
        bits.pack(torch.randn(n, 3, 2, c // groups, generator=g)),
        bits.pack(torch.randn(images, 7, 5, c, generator=g)),
    )
    window = Window((3, 2), (2, 1), Padding(2, 1, 1, 0), (1, 2))
    handle = ops.pack_conv_weights(w.words, c, groups, [3, 2])
    sizes = [n, c, [3, 2], [2, 1], [2, 1, 1, 0], [1, 2], groups, 0]
    got = engine.conv2d(BY_NAME["conv2d_int32"], x.words, handle, *sizes, force=kernel)
    assert torch.equal(got, conv_reference.conv2d_int32(x, w, window, groups, 0)), WRONG


def test_a_fused_epilogue_and_a_pool_are_the_definition(ptx_gpu: Callable) -> None:
    ptx_gpu(AMPERE)
    g = torch.Generator().manual_seed(2)
    sums, n = torch.randint(-99, 99, (5, 70), generator=g, dtype=torch.int32), 70
    scale, bias, slope, threshold = (torch.randn(n, generator=g) for _ in range(4))
    direction, residual = ones(n, g).to(torch.int8), torch.randn(5, n, generator=g)
    floats, words = torch.empty(5, n), torch.empty(5, 2, dtype=torch.int64)
    arguments = [scale, bias, [slope], [residual], True, threshold, direction]
    _finish.finish(_epilogue.BOTH, sums, arguments, (floats, words))
    steps = reference.Steps((slope,), residual, True)
    expected = steps.after(sums.float() * scale + bias)
    assert torch.equal(floats, expected)
    negative = torch.where(direction > 0, expected < threshold, expected > threshold)
    assert torch.equal(words, bits.pack(torch.where(negative, -1.0, 1.0)).words)
    x, minimum = bits.pack(torch.randn(2, 5, 6, 70, generator=g)), bits.pack(torch.randn(70, generator=g)).words
    pooled = conv_reference.max_pool2d(x, Window((3, 2), (2, 1), Padding(1, 2, 0, 1)), minimum)
    got = _operators.max_pool2d(x.words, 70, (3, 2), (2, 1), (1, 2, 0, 1), minimum)
    assert torch.equal(got, pooled.words)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int8], ids=str)
def test_every_dtype_is_packed(ptx_gpu: Callable, dtype: torch.dtype) -> None:
    ptx_gpu(AMPERE)
    g = torch.Generator().manual_seed(0)
    for shape, axis, name in (((3, 70), -1, "pack"), ((2, 70, 5), 1, "pack_nchw")):
        x, up = (torch.randn(shape, generator=g) * 99).to(dtype), ones(70, g).to(torch.int8)
        if dtype != torch.uint8:
            assert torch.equal(_operators.pack(name, x), bits.pack(x, axis=axis).words)
        t = x.movedim(axis, -1).reshape(-1, 70)[0].float()  # ties are common
        expected = bits.pack(x, axis=axis, threshold=t, direction=up).words
        assert torch.equal(_operators.pack(f"{name}_threshold", x, t, up), expected)


# Faults, planted into what the compiler made: a fault is a machine that says so or a wrong result, never luck.
LOAD = r"(cp\.async\.bulk\.tensor\S+ \[%r\d+\], \[%rd\d+, \{)(%r\d+), (%r\d+)"
FAULTS = {
    "a barrier less": (AMPERE, "mma", {r"bar\.sync\s+0;": ""}, "race at byte|copy is on its way"),
    "no wait for copies": (AMPERE, "mma", {r"cp\.async\.wait_group \d;": ""}, "copy is on its way"),
    "another row for ldmatrix": (AMPERE, "mma", {r"(ldmatrix\S+ \{%r\d+, )(%r\d+), (%r\d+)": r"\1\3, \2"}, WRONG),
    "and for xor": (AMPERE, "mma", {r"xor\.popc": "and.popc"}, WRONG),
    "quarters in another order": (TURING, "mma", {r"(m8n8k128\S+ \{)(%r\d+), (%r\d+)": r"\1\3, \2"}, WRONG),
    "coordinates changed over": (HOPPER, "128x64", {LOAD: r"\1\3, \2"}, WRONG),
    "fewer bytes expected": (HOPPER, "128x64", {r"(expect_tx\S+ _, \[%r\d+\]), %r\d+": r"\1, 64"}, "deadlock|several"),
    "no wait for products": (HOPPER, "128x64", {r"wgmma\.wait_group\S+ 0;": ""}, "before the wait"),
    "registers not fenced": (HOPPER, "128x64", {r"wgmma\.fence\S+;": ""}, "after the last wgmma.fence"),
    "barriers not fenced": (HOPPER, "128x64", {r"fence\.mbarrier_init\S+;": ""}, "not fenced"),
    "a stage given back early": (HOPPER, "128x64", {r"wgmma\.wait_group\S+ 1;": ""}, "race|copy is on its way|before"),
    "no scope of the cluster": (
        HOPPER,
        "128x192-turns-pair",
        {r"arrive\.release\.cluster\.shared::cluster": "arrive.release.cta.shared::cta"},
        "cluster scope",
    ),
    "operands changed over": (HOPPER, "128x64", {r"(mma_async\S+ \{[^}]+\}, )(%rd\d+), (%rd\d+)": r"\1\3, \2"}, WRONG),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_shows(ptx_gpu: Callable, fault: str) -> None:
    capability, kernel, edits, why = FAULTS[fault]
    ptx_gpu(capability, edits=edits)
    with pytest.raises(AssertionError, match=why):
        dense(kernel, "bits", (200, 70, 1024 if kernel == "mma" else 8192))  # the ring goes round


def test_memory_that_was_not_given_is_not_touched(ptx_gpu: Callable) -> None:
    ptx_gpu(AMPERE)
    words, sums = torch.zeros(9, 3, dtype=torch.int64), torch.zeros(8, dtype=torch.int32)
    kernel = Kernel("words", "onebit_row_sums")
    with pytest.raises(AssertionError, match="a store outside of all memory"):
        _launch.simple(kernel, (words, sums), ((c_uint32, 9), (c_uint32, 3)), 9 * 32)
    with pytest.raises(AssertionError, match="not aligned"):
        _launch.simple(kernel, (words.view(torch.uint8).flatten()[4:], sums), ((c_uint32, 8), (c_uint32, 3)), 8 * 32)


def test_the_peak_kernel_multiplies_what_it_stored(ptx_gpu: Callable) -> None:
    """A figure of it is only worth something if the products are those of the product kernels."""
    ptx_gpu(HOPPER)
    blocks, sink = 3, torch.empty(256, dtype=torch.int32)
    macros = (("OB_OPERAND", 1), ("OB_FORM", 1))
    function = _launch._function(Kernel("dense_wgmma_peak", "onebit_peak", macros), 0, 384 * 128)
    arguments = [c_void_p(sink.data_ptr()), c_uint32(blocks)]
    _driver.launch(function, (1, 1, 1), (256, 1, 1), 384 * 128, 0, arguments)
    stored = (torch.arange(384 * 32) * 2654435761 % 2**32).view(384, 8, 4)  # words by row, chunk of 16 bytes
    chunks = torch.arange(8) ^ torch.arange(384)[:, None] % 8  # the 128-byte swizzle
    rows = stored.gather(1, chunks[:, :, None].expand(-1, -1, 4)).flatten(1)
    one = ((rows[:, :, None] >> torch.arange(32)) & 1).flatten(1).double()
    y = (blocks * one[:128] @ one[128:].T).int()
    thread, i = torch.arange(256)[:, None], torch.arange(128)
    mine = y[thread // 32 * 16 + thread % 32 // 4 + 8 * (i // 2 % 2), i // 4 * 8 + thread % 4 * 2 + i % 2]
    assert sink.tolist() == [functools.reduce(operator.xor, values) for values in mine.tolist()]


# Everything that orders a Hopper kernel's threads, copies and products; each is deleted by itself, wherever it stands.
ORDER = {
    "wait at a barrier": r"again:\s*mbarrier\.try_wait[^;]*;\s*@!done bra again;",
    "arrival": r"mbarrier\.arrive\.(?!expect)[^;]*;",
    "expected bytes": r"mbarrier\.arrive\.expect_tx[^;]*;",
    "fence of registers": r"wgmma\.fence[^;]*;",
    "commit": r"wgmma\.commit_group[^;]*;",
    "wait for products": r"wgmma\.wait_group[^;]*;",
    "barrier of the block": r"bar\.sync[^;]*;",
    "fence of barriers": r"fence\.mbarrier_init[^;]*;",
    "fence of stores": r"fence\.proxy\.async[^;]*;",
}
HOPPER_KERNELS: dict[str, Callable[[], None]] = {
    "dense": lambda: dense("128x64", "bits", (400, 70, 2048 + 8192)),
    "conv2d": lambda: convolution("128x64", 2000, groups=2, images=7),  # a box of 112 places in a tile of 128
}


class Nth:
    """Puts something in place of one match of a pattern, and counts all of them."""

    def __init__(self, number: int, new: str) -> None:
        self.number, self.new, self.seen = number, new, 0

    def __call__(self, found: re.Match[str]) -> str:
        self.seen += 1
        return self.new if self.seen - 1 == self.number else found[0]


@pytest.mark.skipif(os.environ.get("ONEBIT_EMULATED_CUDA") != "ptx", reason="minutes: make test-cuda-emulated runs it")
@pytest.mark.parametrize("kernel", HOPPER_KERNELS)
@pytest.mark.parametrize("what", ORDER)
def test_every_deleted_wait_arrival_and_fence_is_reported(ptx_gpu: Callable, kernel: str, what: str) -> None:
    """Of those that this size runs through: in a loop that the compiler has unrolled, not all of them."""

    def report(number: int, new: str) -> tuple[str, int]:
        """What is said against the kernel with this in the place of that instruction, and how many there are."""
        edit = Nth(number, new)
        ptx_gpu(HOPPER, 1, edits={ORDER[what]: edit})
        said = ""
        try:
            HOPPER_KERNELS[kernel]()
        except AssertionError as error:
            said = str(error)
        return said, edit.seen

    number, sites, found = 0, 1, 0
    while number < sites:
        said, sites = report(number, ";")
        assert WRONG not in said, f"{what} {number}: nothing but the numbers shows it"
        found += bool(said)
        # One fence in front of the first product is enough, where nothing else touches the sums.
        if not said and sites and not (what == "fence of registers" and found):
            said, _ = report(number, "trap;")
            assert "trap" not in said, f"{what} {number} of {sites}: nobody misses it"
        number += 1
    assert found or not sites
