import pytest

from onebit.bench import _document_tables as tables

ROW = {
    "cpu": "A CPU", "onebit": "0.1", "torch": "2.0", "name": "dense_int32", "shape": [4, 5, 6], "isa": "avx9",
    "forced": None, "threads": 2, "ms": 1.23456, "tmac_per_s": 2.5, "fraction_of_peak": 0.654, "peak": "popcount_avx9",
    "peers": {"torch float32": 50.0}, "ratio": {"torch float32": 40.4},
    "absent": {"openvino int8": "openvino not installed", "torch float32": "no"},
    "peaks": {"popcount_avx9": [5.0, 6.0], "memory_read": [0.05, 0.06]},
}  # fmt: skip


def test_a_table_is_markdown():
    assert tables.markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_a_job_has_its_kernel_time_fraction_and_ratios():
    (text,) = tables.jobs([ROW])
    assert "| dense_int32 4 x 5 x 6 | avx9 | 2 | 1.235 | 2.500 | 65% of popcount_avx9 | 40x |" in text


def test_forced_kernels_and_missing_figures_are_seen():
    bare = ROW | {"forced": "avx9", "fraction_of_peak": None, "ratio": {}, "peers": {}}
    (text,) = tables.jobs([ROW, bare])
    assert "| avx9 (forced) | 2 | 1.235 | 2.500 |  |  |" in text


def test_each_kind_of_job_has_a_table_and_no_row_is_lost():
    names = ["mlp", "conv2d_bits", "dense_int32", "larq-vgg", "dense_u8"]
    texts = list(tables.jobs([ROW | {"name": name} for name in names]))
    assert [text.split(":")[0] for text in texts] == ["**Products", "**Convolutions of 3 x 3", "**Networks"]
    assert all(sum(f"| {name} 4" in text for text in texts) == 1 for name in names)


def test_engines_that_ran_nowhere_are_named_with_the_reason():
    assert tables.absent([ROW]) == "Did not run here:\n\n- openvino int8: openvino not installed"
    assert tables.absent([ROW | {"absent": {}}]) == ""


def test_peaks_are_of_one_thread_lowest_and_highest():
    text = tables.peaks([ROW, ROW | {"threads": 1, "peaks": {"popcount_avx9": [2.0]}}])
    assert "| popcount_avx9 | 2.000 | 3.000 | TMAC/s |" in text
    assert "| memory_read | 25.000 | 30.000 | GB/s |" in text


@pytest.mark.parametrize(("reached", "word"), [(None, ""), (0.8, "met"), (0.79, "**short**")])
def test_a_verdict_compares_with_the_floor(reached, word):
    assert tables.verdict(reached, 0.8) == word


def test_floors_of_the_figure_are_judged_by_its_ratios(example_figure):
    text = tables.floors([], example_figure().as_dict())
    assert "| kernel figure, product | times as fast as blas | 20x | 42x | met |" in text
    assert "| kernel figure, product | times as fast as blas | 20x | not measured |  |" in tables.floors([], None)


def test_the_newest_line_of_a_gpu_counts_and_notes_stand_below():
    lines = [
        {"part": "peak", "what": "a", "ms": 9.0, "tops": 1.0},
        {"part": "peak", "what": "a", "ms": 2.0, "tops": 4.0},
        {"part": "peak", "what": "b", "note": "yes"},
    ]
    (text,) = tables.gpu(lines)
    assert "| a | 2.000 | 4.0 |" in text
    assert "9.000" not in text
    assert text.endswith("- b: yes")
