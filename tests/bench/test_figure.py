import json

import pytest
import torch

from onebit import bench
from onebit._errors import NativeError, UnknownName
from onebit.bench import DEVICES, _figure, _figure_cpu
from onebit.bench._figure_device import Share, Unfit
from onebit.bench._turns import FEWEST


@pytest.fixture(scope="module")
def packed():
    return bench.random_mlp(hidden=(20, 20))


@pytest.fixture(scope="module")
def pictures():
    return torch.randint(0, 256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="module")
def figure(packed, pictures):
    return measured(packed, packed, pictures)


def measured(timed, trained, pictures, **options):
    labels = torch.zeros(len(pictures), dtype=torch.int64)
    words = {"accuracy_of": "a network", "data": "pictures"}
    return bench.figure(timed, trained, pictures, labels, **words, size=160, threads=1, seconds=0, **options)


def test_a_figure_has_a_bar_of_each_kernel_in_each_group(figure):
    for group in (figure.product, figure.network, figure.answers):
        assert list(group) == ["baseline", "blas", "onebit"]
    assert figure.layers == "784-20-20-10"
    assert figure.packing_ms > 0


def test_a_share_is_scaled_and_says_of_what(figure):
    bar = figure.product["baseline"]
    assert bar.extrapolated_from == "64 of 160 rows"
    assert bar.ms == pytest.approx(bar.measured_ms * 160 / 64)
    assert figure.product["blas"].extrapolated_from is None
    assert figure.network["baseline"].extrapolated_from is None  # 40 pictures are fewer than its share


def test_a_full_figure_scales_nothing(packed, pictures):
    bars = measured(packed, packed, pictures, whole=True).product.values()
    assert all(bar.extrapolated_from is None and bar.ms == bar.measured_ms for bar in bars)


def test_ratios_are_times_by_onebits(figure):
    ratios = figure.ratios()
    assert ratios["product"]["blas"] == pytest.approx(figure.product["blas"].ms / figure.product["onebit"].ms)
    assert ratios["network"]["baseline"] == pytest.approx(figure.network["baseline"].ms / figure.network["onebit"].ms)
    assert json.loads(json.dumps(figure.as_dict()))["ratios"] == ratios


def test_all_kernels_give_equal_answers_also_of_another_network(packed, pictures):
    answers = measured(packed, bench.random_mlp(hidden=(30,)), pictures).answers
    assert len(set(answers.values())) == 1
    assert answers["baseline"].equal


def test_a_share_with_other_answers_keeps_its_own_accuracy():
    labels = torch.tensor([0, 1, 0, 0])
    right, wrong = torch.eye(2)[labels], torch.eye(2)[1 - labels]
    shares = {
        "baseline": Share(lambda: wrong[:2], 2, 4),
        "blas": Share(lambda: right[:2], 2, 4),
        "onebit": Share(lambda: right, 4, 4),
    }
    answers = _figure.answers(shares, labels)
    assert (answers["baseline"].accuracy, answers["baseline"].equal) == (0.0, False)
    assert (answers["blas"].accuracy, answers["blas"].pictures, answers["blas"].equal) == (1.0, 2, True)


def test_kernels_with_other_numbers_are_not_timed(packed, pictures, monkeypatch):
    monkeypatch.setattr(_figure_cpu, "plain_matmul", lambda a, b: a @ b + 1)
    with pytest.raises(NativeError, match=r"'baseline'.*Not timed"):
        measured(packed, packed, pictures)


def raising(error):
    def make():
        raise error

    return make


@pytest.fixture
def product():
    return dict(DEVICES["cpu"].product(32, False))


@pytest.mark.parametrize(
    ("error", "why"),
    [(RuntimeError("no such unit\nand a trace"), "RuntimeError: no such unit"), (Unfit("too wide"), "too wide")],
)
def test_a_peer_that_cannot_run_stays_out_and_says_why(product, error, why):
    bars, absent = _figure.race(DEVICES["cpu"], {**product, "blas": raising(error)}, "rows", 0)
    assert absent == {"blas": why}
    assert set(bars) == {"baseline", "onebit", "packing"}


def test_a_peer_that_fails_while_running_stays_out_too(product):
    late = {**product, "blas": lambda: Share(raising(NotImplementedError("not here")), 32, 32)}
    assert _figure.race(DEVICES["cpu"], late, "rows", 0)[1] == {"blas": "NotImplementedError: not here"}


def test_a_failure_of_onebit_or_of_the_baseline_is_no_bar_left_out(product):
    for name in ("baseline", "onebit"):
        with pytest.raises(RuntimeError, match="broken"):
            _figure.race(DEVICES["cpu"], {**product, name: raising(RuntimeError("broken"))}, "rows", 0)


def test_everybody_has_a_turn_in_each_round(figure):
    assert {bar.rounds for bar in figure.product.values()} == {FEWEST}


def test_an_unknown_device_is_refused(packed, pictures):
    with pytest.raises(UnknownName, match="cpu"):
        measured(packed, packed, pictures, device="gpu")
