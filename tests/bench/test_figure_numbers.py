import pytest


def test_ratios_are_how_many_times_as_long_as_onebit(example_figure):
    ratios = example_figure().ratios()
    assert ratios["product"] == pytest.approx({"baseline": 180_000 / 132, "blas": 5500 / 132})
    assert ratios["network"] == pytest.approx({"baseline": 122_000 / 95, "blas": 3900 / 95})


def test_json_says_what_each_kernel_is(example_figure):
    kept = example_figure().as_dict()
    assert set(kept["kernels"]) == {"baseline", "blas", "onebit"}
    assert kept["product"]["baseline"]["extrapolated_from"] == "64 of 8,192 rows"
