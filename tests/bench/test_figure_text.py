import pytest

from onebit.bench import _figure_text as text


def test_the_table_has_times_ratios_accuracies_and_what_was_scaled(example_figure):
    table = text.figure_table(example_figure())
    for words in ("3 min 0 s*", "1,364x", "42x", "0.132 s", "95.0 ms", "98.12%", "64 of 8,192 rows", "0.160 s", "avx9"):
        assert words in table
    assert "2 min 2 s*" not in table


def test_a_gpus_table_has_a_line_for_every_kernel_and_a_dash_for_no_bar(gpu_figure):
    lines = text.figure_table(gpu_figure()).splitlines()
    by_name = {line.split("  ")[0]: line for line in lines}
    assert "21.9 ms" in by_name["cuBLAS float32"]
    assert by_name["cuBLAS float8"].split()[2:6] == ["0.790", "ms", "3.3x", "-"]
    assert "0.65x" in by_name["onebit, bits out"]
    assert "No bar of cuBLAS float8 in the network: a pixel does not fit." in lines


def test_nothing_is_said_about_scaling_where_nothing_was_scaled(example_figure):
    figure = example_figure()
    assert text.footnote(figure).startswith("* measured on 64 of 8,192 rows")
    assert "measured on" not in text.footnote(example_figure(product=figure.network))


@pytest.mark.parametrize(
    ("layers", "short"),
    [("784-4096-4096-4096-10", "784-3x4096-10"), ("784-70-65-10", "784-70-65-10"), ("784-64-10", "784-64-10")],
)
def test_equal_layers_are_counted(layers, short):
    assert text.short_layers(layers) == short


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.00512, "5.12 ms"), (0.0951, "95.1 ms"), (0.1324, "0.132 s"), (13.24, "13.2 s"), (200.4, "3 min 20 s")],
)
def test_a_time_has_three_figures(seconds, words):
    assert text.duration(seconds) == words


@pytest.mark.parametrize(("ratio", "words"), [(0.651, "0.65x"), (3.44, "3.4x"), (41.7, "42x"), (1364.2, "1,364x")])
def test_a_ratio_has_two_figures_or_more(ratio, words):
    assert text.times(ratio) == words
