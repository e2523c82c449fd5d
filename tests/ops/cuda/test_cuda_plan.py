from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import NativeError, OptionError, UnknownName
from onebit.ops.cuda import _plan
from onebit.ops.cuda._plan import AND, BITS, BYTES, DOT, VARIANTS, XOR, Device

H100 = Device((9, 0), 132)
MOST_SHARED = 232_448  # bytes that a block of sm_90 may have
REGISTERS = 65_536  # of one multiprocessor


@pytest.mark.parametrize("name", VARIANTS)
def test_a_hopper_shape_fits_its_multiprocessor(name: str) -> None:
    variant = VARIANTS[name]
    assert variant.shared_bytes <= MOST_SHARED
    sums = variant.rows // 64 * variant.columns // 2  # registers of one thread that hold sums
    producer, consumer = (32, 160) if variant.consumers == 3 else (40, 232)
    assert sums < consumer
    assert 128 * (producer + variant.consumers * consumer) <= REGISTERS
    assert variant.columns % variant.width == 0
    assert all(rows <= 256 for rows in (variant.tile[0], variant.columns // variant.cluster))  # of a copied box


@pytest.mark.parametrize("name", VARIANTS)
def test_tiles_of_the_ring_start_where_the_swizzle_wants_them(name: str) -> None:
    rows, columns = VARIANTS[name].tile
    assert rows * 128 % 1024 == 0
    assert columns // VARIANTS[name].cluster * 128 % 1024 == 0


@pytest.mark.parametrize(
    ("capability", "form"), [((7, 5), XOR), ((8, 0), XOR), ((8, 9), XOR), ((9, 0), AND), ((10, 0), DOT), ((12, 1), DOT)]
)
def test_bits_are_multiplied_in_the_form_the_device_has(capability: tuple[int, int], form: int) -> None:
    plan = _plan.dense(Device(capability, 100), BITS, 3, 1000, 64, 64, 8)
    assert (plan.form, plan.row_sums, plan.kernel.file) == (form, form == AND, "dense_mma")


@given(
    m=st.integers(1, 20_000), n=st.integers(1, 20_000), k=st.integers(1, 20_000), operand=st.sampled_from([BITS, BYTES])
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_the_tiles_of_a_plan_cover_the_result(m: int, n: int, k: int, operand: int) -> None:
    for device in (H100, Device((8, 6), 40)):
        plan = _plan.dense(device, operand, 3, m, n, k, 16)
        rows, columns = plan.tile
        tiles = -(-m // rows) * -(-n // columns) * plan.parts
        assert 1 <= plan.grid <= tiles
        assert plan.grid == tiles or plan.grid <= device.processors  # fewer blocks only where they are persistent
        assert plan.grid % plan.cluster == 0


def test_sizes_decide_the_kernel() -> None:
    chosen = [_plan.dense(H100, BITS, 3, m, 4096, 4096, 16).kernel.file for m in (1, 16, 17, 8192)]
    assert chosen == ["dense_popc", "dense_popc", "dense_wgmma", "dense_wgmma"]
    assert _plan.dense(H100, BITS, 3, 8192, 4096, 4160, 8).kernel.file == "dense_mma"  # the copy engine wants 16 bytes
    names = [_plan.dense(H100, BITS, 3, m, n, k, 16).name for m, n, k in ((8192, 8192, 8192), (64, 4096, 4096))]
    assert names == ["wgmma 192x256", "wgmma 128x64"]


def test_a_long_k_is_cut_where_tiles_leave_multiprocessors_idle() -> None:
    plan = _plan.dense(H100, BITS, 3, 256, 256, 65536, 16)
    assert plan.parts > 1
    assert plan.name == f"wgmma 128x64/{plan.parts}"
    assert 8 * plan.parts <= plan.grid <= H100.processors
    assert dict(plan.kernel.macros)["OB_OUTPUT"] == 1  # sums: what follows is the second kernel's
    assert _plan.dense(Device((8, 0), 108), BYTES, 3, 128, 128, 8192, 16).parts > 1
    for m, n, k in ((8192, 8192, 65536), (64, 4096, 4096), (256, 256, 256)):  # full; and too short to gain
        assert _plan.dense(H100, BITS, 3, m, n, k, 16).parts == 1


@pytest.mark.parametrize(("name", "parts", "k"), [("mma/3", 3, 8192), ("128x64/4", 4, 8192), ("mma/5", 5, 4096 - 64)])
def test_parts_can_be_forced(name: str, parts: int, k: int) -> None:
    plan = _plan.dense(H100, BITS, 3, 300, 70, k, 16 if k % 128 == 0 else 8, name)
    assert plan.parts <= parts
    steps = -(-k // (512 if "mma" in name else 1024))
    assert -(-steps // plan.parts) * (plan.parts - 1) < steps  # the last part is not empty


@pytest.mark.parametrize("name", ["mma/0", "mma/17", "mma/x", "mma/", "popc/2", "192x256/2"])
def test_parts_that_k_does_not_have_are_refused(name: str) -> None:
    with pytest.raises((OptionError, UnknownName), match=r"parts|popc/2"):
        _plan.dense(H100, BITS, 3, 300, 70, 8192, 16, name)


def test_the_positions_of_all_parts_are_counted() -> None:
    plan = _plan.dense(Device((10, 0), 100), BITS, 3, 100, 64, 3500, 8, "mma/3")
    assert (plan.parts, plan.padding) == (3, 3 * 3 * 512 - 3500)


def test_a_device_smaller_than_a_cluster_still_gets_a_grid() -> None:
    assert _plan.dense(Device((9, 0), 1), BITS, 3, 100, 64, 1024, 16, "192x256-pair").grid == 2


def test_padding_counts_the_positions_past_k() -> None:
    assert _plan.dense(Device((10, 0), 100), BITS, 3, 100, 64, 1000, 16).padding == 1024 - 1000
    assert _plan.dense(Device((10, 0), 100), BYTES, 3, 100, 64, 1000, 8).padding == 0  # bytes are padded with zeros
    assert _plan.dense(H100, BITS, 3, 100, 64, 1000, 16).padding == 0


def test_a_kernel_can_be_forced_by_name() -> None:
    names = Counter(_plan.dense(H100, BITS, 3, 100, 64, 1024, 16, name).name for name in ("popc", "mma", *VARIANTS))
    assert set(names.values()) == {1}
    with pytest.raises(UnknownName, match="Did you mean '192x256'"):
        _plan.dense(H100, BITS, 3, 100, 64, 1024, 16, "192x265")
    with pytest.raises(UnknownName, match="popc"):
        _plan.dense(H100, BYTES, 3, 100, 64, 1024, 16, "popc")
    with pytest.raises(OptionError, match=r"needs compute capability 9\.0"):
        _plan.dense(Device((8, 0), 100), BITS, 3, 100, 64, 1024, 16, "128x64")


def test_what_cannot_be_exact_or_run_is_refused() -> None:
    with pytest.raises(OptionError, match="k is 4194305"):
        _plan.dense(H100, BYTES, 3, 1, 1, 2**22 + 1, 1)
    with pytest.raises(NativeError, match=r"needs 7\.5"):
        _plan.dense(Device((7, 0), 80), BITS, 3, 100, 64, 64, 16)
