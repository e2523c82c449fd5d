"""NVRTC compiles every kernel for every generation of GPU, and the machine code is what the sources promise."""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from onebit._errors import NativeError
from onebit.bits._window import Window
from onebit.ops._conv_checks import Conv
from onebit.ops.cuda import _conv_plan, _nvrtc, _plan
from onebit.ops.cuda._conv_boxes import Places
from onebit.ops.cuda._plan import BITS, BYTES, SIGNED_BYTES, VARIANTS, Device
from onebit.ops.cuda._sources import Kernel

GENERATIONS = [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)]
# The instruction that multiplies bits by mma.sync, and the one that multiplies bytes.
BITS_BY = {
    7: "BMMA.88128.XOR",
    8: "BMMA.168256.XOR",
    9: "BMMA.168256.AND",
    10: "IMMA.16832.S8.S8",
    12: "IMMA.16832.S8.S8",
}
BYTES_BY = {7: "IMMA.8816"}  # the rest IMMA.16832; then the types of both
TYPES = {BYTES: ".U8.S8", SIGNED_BYTES: ".S8.S8"}


@pytest.fixture(scope="session")
def disassemble(tmp_path_factory: pytest.TempPathFactory) -> object:
    places = [
        Path(root) / f"nvidia/{part}/bin"
        for root in [*sys.path, *site.getsitepackages()]
        for part in ("cu13", "cuda_nvdisasm")
    ]
    tool = shutil.which("nvdisasm") or next((str(p / "nvdisasm") for p in places if (p / "nvdisasm").is_file()), None)
    if tool is None:
        pytest.skip("needs nvdisasm (pip install nvidia-cuda-nvdisasm); `make test-cuda-compile` installs it")
    folder = tmp_path_factory.mktemp("sass")

    def run(cubin: bytes) -> str:
        path = folder / "kernel.cubin"
        path.write_bytes(cubin)
        return subprocess.run([tool, "-c", str(path)], capture_output=True, text=True, check=True).stdout

    return run


def native_product(operand: int, major: int) -> str:
    """The instruction that multiplies this operand on this generation."""
    return BITS_BY[major] if operand == BITS else BYTES_BY.get(major, "IMMA.16832") + TYPES[operand]


def machine_code(nvrtc: _nvrtc.Compiler, disassemble: object, kernel: Kernel, capability: tuple[int, int]) -> str:
    """The disassembly, after the law that holds for all: no register is spilled to memory."""
    arch = _nvrtc.architecture(capability, kernel.file, nvrtc.architectures)
    text = disassemble(nvrtc.compile(kernel, arch))
    assert re.search(rf"\.text\.{kernel.function}\b", text)
    assert not re.findall(r"\b(?:STL|LDL)\b", text), f"{kernel} spills on {arch}"
    return text


@pytest.mark.parametrize("capability", GENERATIONS)
def test_products_use_the_native_instruction(
    nvrtc: _nvrtc.Compiler, disassemble: object, capability: tuple[int, int]
) -> None:
    device, major = Device(capability, 100), capability[0]
    for operand in (BITS, BYTES, SIGNED_BYTES):
        native = native_product(operand, major)
        plan = _plan.dense(device, operand, 3, 1000, 64, 1024, 16, "mma")
        products = re.findall(r"\b[BI]MMA\.[.A-Z0-9]+", machine_code(nvrtc, disassemble, plan.kernel, capability))
        assert products
        assert all(product.startswith(native) for product in products)


@pytest.mark.parametrize("capability", GENERATIONS)
def test_the_other_kernels_compile_without_spills(
    nvrtc: _nvrtc.Compiler, disassemble: object, capability: tuple[int, int]
) -> None:
    kernels = [Kernel("paper", "onebit_paper_gemm")] + [
        Kernel("pack", function, (("OB_DTYPE", dtype), ("OB_THRESHOLD", threshold)))
        for function, dtype, threshold in (("onebit_pack", 1, 0), ("onebit_pack", 2, 1), ("onebit_pack_first", 3, 1))
    ]
    kernels.append(_plan.dense(Device(capability, 100), BITS, 3, 1, 64, 1024, 16).kernel)
    for kernel in kernels:
        machine_code(nvrtc, disassemble, kernel, capability)


@pytest.mark.parametrize("capability", GENERATIONS)
def test_convolutions_use_the_native_instruction(
    nvrtc: _nvrtc.Compiler, disassemble: object, capability: tuple[int, int]
) -> None:
    device, major, conv = Device(capability, 100), capability[0], Conv(128, 128, Window((3, 3)), 1, 0)
    for operand, output, align in ((BITS, 3, 16), (BITS, 2, 8), (BYTES, 3, 1), (SIGNED_BYTES, 3, 4)):
        native = native_product(operand, major)
        kernel = _conv_plan.plan(device, conv, operand, output, Places(100, 10, 100), align, "mma").kernel
        products = re.findall(r"\b[BI]MMA\.[.A-Z0-9]+", machine_code(nvrtc, disassemble, kernel, capability))
        assert products
        assert all(product.startswith(native) for product in products)


@pytest.mark.parametrize("capability", GENERATIONS)
def test_the_simple_kernels_of_networks_compile_without_spills(
    nvrtc: _nvrtc.Compiler, disassemble: object, capability: tuple[int, int]
) -> None:
    kernels = [Kernel("conv2d_popc", "onebit_conv2d_popc", (("OB_OUTPUT", output),)) for output in (1, 3)]
    kernels += [
        Kernel("finish", "onebit_finish", (("OB_OUTPUT", output), ("OB_ACTIVATION", activation)))
        for output, activation in ((2, 1), (3, 0), (4, 2))
    ]
    kernels += [Kernel("max_pool2d", "onebit_max_pool2d"), Kernel("words", "onebit_regroup")]
    for kernel in kernels:
        machine_code(nvrtc, disassemble, kernel, capability)


@pytest.mark.parametrize("name", VARIANTS)
def test_hopper_shapes_use_warpgroup_products(nvrtc: _nvrtc.Compiler, disassemble: object, name: str) -> None:
    plan = _plan.dense(Device((9, 0), 132), BITS, 3, 1000, 1000, 1024, 16, name)
    text = machine_code(nvrtc, disassemble, plan.kernel, (9, 0))
    assert set(re.findall(r"\bBGMMA\.64x(\d+)x256\.AND\.POPC", text)) == {str(VARIANTS[name].width)}
    assert "UTMALDG.2D" in text  # the bulk tensor copy
    assert ("UTMALDG.2D.MULTICAST" in text) == (VARIANTS[name].cluster > 1)
    assert text.count("USETMAXREG") == 2


@pytest.mark.parametrize(("name", "output", "channels"), [
    (name, output, channels)
    for name in _conv_plan.SHAPES for output, channels in ((1, 512), (2, 1024), (3, 128), (3, 512), (3, 1024))
] + [("128x256/2", 3, 128), ("128x128/2", 3, 1024), ("128x64/2", 3, 512)])  # fmt: skip
def test_hopper_convolutions_use_warpgroup_products(
    nvrtc: _nvrtc.Compiler, disassemble: object, name: str, output: int, channels: int
) -> None:
    conv = Conv(512, channels, Window((3, 3)), 1, 0)
    plan = _conv_plan.plan(Device((9, 0), 132), conv, BITS, output, Places(100, 10, 100), 16, name)
    text = machine_code(nvrtc, disassemble, plan.kernel, (9, 0))
    columns = str(plan.tile[1])
    assert set(re.findall(r"\bBGMMA\.64x(\d+)x256\.AND\.POPC", text)) == {columns}
    assert "UTMALDG.4D" in text  # the copy of boxes
    assert text.count("USETMAXREG") == 2


@pytest.mark.parametrize("output", [1, 2, 3])
@pytest.mark.parametrize(
    ("operand", "kernel"),
    [(operand, kernel) for operand in (BITS, BYTES, SIGNED_BYTES) for kernel in ("192x256", "mma")],
)
def test_every_output_compiles_without_spills(
    nvrtc: _nvrtc.Compiler, disassemble: object, operand: int, kernel: str, output: int
) -> None:
    plan = _plan.dense(Device((9, 0), 132), operand, output, 1000, 1000, 1024, 16, kernel)
    text = machine_code(nvrtc, disassemble, plan.kernel, (9, 0))
    assert ("IGMMA" in text) == (operand != BITS and kernel != "mma")


@pytest.mark.parametrize(
    ("capability", "kernel"), [((7, 5), "mma/2"), ((8, 0), "mma/2"), ((9, 0), "mma/2"), ((9, 0), "128x256/2"),
                               ((9, 0), "128x64/2"), ((10, 0), "mma/2"), ((12, 0), "mma/2")]
)  # fmt: skip
def test_parts_of_k_compile_without_spills(
    nvrtc: _nvrtc.Compiler, disassemble: object, capability: tuple[int, int], kernel: str
) -> None:
    for operand in (BITS, BYTES):
        plan = _plan.dense(Device(capability, 100), operand, 3, 1000, 1000, 8192, 16, kernel)
        assert plan.parts == 2
        machine_code(nvrtc, disassemble, plan.kernel, capability)
    machine_code(
        nvrtc, disassemble, Kernel("finish", "onebit_finish", (("OB_OUTPUT", 1), ("OB_ACTIVATION", 0))), capability
    )


def test_rows_of_any_alignment_compile(nvrtc: _nvrtc.Compiler) -> None:
    for capability, align in (((8, 0), 8), ((8, 0), 4), ((8, 0), 1), ((7, 5), 4)):
        plan = _plan.dense(Device(capability, 100), BYTES, 3, 1000, 64, 1024, align, "mma")
        assert nvrtc.compile(plan.kernel, f"sm_{capability[0]}{capability[1]}").startswith(b"\x7fELF")


def test_a_source_that_does_not_compile_brings_the_compilers_words(nvrtc: _nvrtc.Compiler) -> None:
    with pytest.raises(NativeError, match=r"dense_mma\.cu for sm_80.*(?s:.)*OB_STAGES"):
        nvrtc.compile(Kernel("dense_mma", "onebit_dense_mma", (("OB_OPERAND", 1), ("OB_FORM", 2))), "sm_80")


def test_the_architecture_is_the_newest_known_of_the_generation() -> None:
    known = frozenset({75, 80, 86, 90, 120})
    assert _nvrtc.architecture((9, 0), "dense_wgmma", known) == "sm_90a"
    assert _nvrtc.architecture((9, 0), "conv2d_wgmma", known) == "sm_90a"
    assert _nvrtc.architecture((9, 0), "pack", known) == "sm_90"
    assert _nvrtc.architecture((8, 9), "pack", known) == "sm_86"
    assert _nvrtc.architecture((12, 1), "pack", known) == "sm_120"
    with pytest.raises(NativeError, match=r"compute capability 13\.0"):
        _nvrtc.architecture((13, 0), "pack", known)


def test_without_nvrtc_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _nvrtc.compiler.cache_clear()
    monkeypatch.setattr(_nvrtc, "_load", lambda *_: None)
    with pytest.raises(_nvrtc.NvrtcAbsentError, match="pip install nvidia-cuda-nvrtc"):
        _nvrtc.compiler()
    _nvrtc.compiler.cache_clear()
