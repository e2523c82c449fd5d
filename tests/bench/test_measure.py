import dataclasses

import pytest
import torch

from onebit import bench
from onebit._errors import NativeError
from onebit.bench import _measure
from onebit.bench._gemm import gemm
from onebit.ops import native


@pytest.fixture(scope="module")
def row():
    return bench.measure(gemm(8, 64, 256), threads=1, peers=True, seconds=0)


def test_a_row_is_consistent(row):
    assert row.isa == native.ran("dense")
    assert row.tmac_per_s == pytest.approx(8 * 64 * 256 / row.ms / 1e9)
    assert row.fraction_of_peak == pytest.approx(row.tmac_per_s / row.peak_tmac_per_s)
    assert row.ratio.keys() == row.peers.keys()
    for name, ms in row.peers.items():
        assert row.ratio[name] == pytest.approx(ms / row.ms)
    assert set(row.peers) | set(row.absent) == set(bench.PEERS)
    assert {len(pair) for pair in row.peaks.values()} == {2}


def test_without_peers_none_runs():
    row = bench.measure(gemm(2, 3, 4), threads=1, seconds=0)
    assert row.peers == row.absent == {}


@pytest.mark.parametrize("isa", native.available_isas("dense"))
def test_the_forced_kernel_is_measured_against_its_own_peak(isa):
    with native.force(isa):
        row = bench.measure(gemm(2, 3, 4), threads=1, seconds=0)
    assert row.isa == isa
    assert isa in row.peak or isa == "amx"


def test_the_processor_time_of_one_thread_says_nothing_about_two():
    row = bench.measure(gemm(2, 3, 4), threads=2, seconds=0)
    assert row.threads == 2
    assert row.cpu_ms is None
    assert row.cpu_fraction_of_peak is None


def test_threads_are_as_before_afterwards():
    def fail():
        seen.append(torch.get_num_threads())
        raise ValueError

    before, seen = torch.get_num_threads(), []
    job = dataclasses.replace(gemm(2, 3, 4), check=fail)
    with pytest.raises(ValueError):  # noqa: PT011
        bench.measure(job, threads=before + 1, seconds=0)
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_a_wrong_answer_is_not_timed():
    job = dataclasses.replace(gemm(2, 3, 4), check=lambda: False)
    with pytest.raises(NativeError, match="Not timed"):
        bench.measure(job, threads=1, seconds=0)


def test_a_kernel_other_than_the_forced_one_is_an_error(monkeypatch):
    monkeypatch.setattr(native, "ran", lambda _: "another")
    with native.force("scalar"), pytest.raises(NativeError, match="another"):
        bench.measure(gemm(2, 3, 4), threads=1, seconds=0)


def test_a_row_says_whether_its_kernel_was_forced():
    with native.force(None):
        assert bench.measure(gemm(2, 3, 4), threads=1, seconds=0).forced is None
    with native.force("scalar"):
        assert bench.measure(gemm(2, 3, 4), threads=1, seconds=0).forced == "scalar"


def test_several_kernels_are_bounded_by_the_highest_of_their_peaks():
    rates = {"popcount_scalar": 1.0, "popcount_avx2": 3.0}
    assert _measure.bound_of(["scalar", "avx2"], rates) == "popcount_avx2"
    assert _measure.bound_of(["avx2", "scalar"], rates) == "popcount_avx2"
    assert _measure.bound_of(["scalar", "unheard"], rates) == "popcount_scalar"
    assert _measure.bound_of(["unheard"], rates) is None


def test_a_kernel_without_a_peak_has_no_fraction(monkeypatch):
    monkeypatch.setattr(_measure, "BOUND", {})
    row = bench.measure(gemm(2, 3, 4), threads=1, seconds=0)
    assert row.fraction_of_peak is row.peak is None
    assert "no peak" in bench.render([row])
