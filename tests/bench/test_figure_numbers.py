import json

import pytest

from onebit.bench import Figure


def test_ratios_are_how_many_times_as_long_as_onebit(example_figure):
    ratios = example_figure().ratios()
    assert ratios["product"] == pytest.approx({"baseline": 180_000 / 132, "blas": 5500 / 132})
    assert ratios["network"] == pytest.approx({"baseline": 122_000 / 95, "blas": 3900 / 95})


def test_json_says_what_each_kernel_is(example_figure):
    kept = example_figure().as_dict()
    assert kept["kernels"]["blas"] == {"name": "BLAS float32", "what": "torch's BLAS", "family": "peer"}
    assert kept["product"]["baseline"]["extrapolated_from"] == "64 of 8,192 rows"


def test_a_figure_returns_from_its_json(gpu_figure):
    figure = gpu_figure()
    assert Figure.from_dict(json.loads(json.dumps(figure.as_dict()))) == figure


def test_a_kernel_without_a_bar_has_no_ratio(gpu_figure):
    ratios = gpu_figure().ratios()
    assert set(ratios["product"]) - set(ratios["network"]) == {"float8", "onebit-bits"}
