import dataclasses

import pytest

from onebit import bench
from onebit.bench._gemm import gemm


@pytest.fixture(scope="module")
def row():
    measured = bench.measure(gemm(2, 3, 4), threads=1, seconds=0)
    return dataclasses.replace(measured, peers={"slow": 9.0}, ratio={"slow": 3.0}, absent={"nobody": "not installed"})


def test_the_table_names_kernel_peaks_peers_and_absences(row):
    text = bench.render([row])
    for word in ("2 x 3 x 4", row.isa, row.peak, "slow", "3.0x", "nobody", "not installed", *row.peaks, *row.skipped):
        assert word in text


def test_the_table_says_when_others_take_the_cpus(row):
    assert "others take 40%" in bench.render([dataclasses.replace(row, cpu_share=0.6)])
    assert "others" not in bench.render([dataclasses.replace(row, cpu_share=0.99)])


def test_a_peak_is_shown_from_its_lowest_to_its_highest(row):
    rows = [dataclasses.replace(row, peaks={"popcount_x": pair}) for pair in ([2.0, 3.0], [1.0, 2.5])]
    assert "1.000 to 3.000" in bench.render(rows)
