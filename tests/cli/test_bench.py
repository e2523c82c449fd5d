import json

import pytest

from onebit.cli import main
from onebit.ops import native

QUICK = ["--seconds", "0", "--threads", "1"]
SMALL = {"gemm": ["2", "3", "64"], "conv": ["1", "8", "4"]}
KEYS = {"name", "shape", "isa", "threads", "ms", "tmac_per_s", "fraction_of_peak", "peers"}


@pytest.mark.parametrize("kind", SMALL)
def test_json_is_a_list_with_a_row_for_each_shape(kind, capsys):
    assert main(["bench", kind, *QUICK, "--json", "--shape", *SMALL[kind], "--shape", *SMALL[kind]]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["shape"] for row in rows] == [[int(size) for size in SMALL[kind]]] * 2
    assert all(row.keys() >= KEYS and row["threads"] == 1 for row in rows)


@pytest.mark.parametrize("isa", native.available_isas("dense"))
def test_a_forced_instruction_set_is_the_one_that_ran_and_ends_with_the_command(isa, capsys):
    before = native.forced()
    assert main(["bench", "gemm", *QUICK, "--json", "--isa", isa, "--shape", *SMALL["gemm"]]) == 0
    assert [row["isa"] for row in json.loads(capsys.readouterr().out)] == [isa]
    assert native.ran("dense") == isa
    assert native.forced() == before


def test_all_instruction_sets_are_measured_one_after_the_other(capsys):
    assert main(["bench", "gemm", *QUICK, "--json", "--isa", "all", "--shape", *SMALL["gemm"]]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["forced"] for row in rows] == [row["isa"] for row in rows]
    assert {row["isa"] for row in rows} == set(native.available_isas("dense"))


def test_every_peer_is_measured_or_said_to_be_absent(capsys):
    from onebit.bench import PEERS

    assert main(["bench", "gemm", *QUICK, "--peers", "--shape", *SMALL["gemm"]]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in PEERS)


def test_kept_rows_are_those_that_were_measured(tmp_path, capsys):
    assert main(["bench", "gemm", *QUICK, "--json", "--save", str(tmp_path), "--shape", *SMALL["gemm"]]) == 0
    (path,) = tmp_path.iterdir()
    assert [json.loads(line) for line in path.read_text().splitlines()] == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gem"], "Did you mean 'gemm'"),
        (["gemm", "--threads", "0"], "--threads is 0"),
        (["gemm", "--threads", "100000"], "--threads is 100000"),
        (["gemm", "--seconds", "-1"], "--seconds is -1"),
        (["gemm", "--shape", "2", "3"], "M N K"),
        (["gemm", "--shape", "2", "3", "0"], "M N K"),
        (["conv", "--shape", "2"], "BATCH CHANNELS SIZE"),
        (["model", "--shape", "0"], "BATCH"),
        (["model", "--only", "larq"], "Did you mean 'larq-vgg'"),
        (["model", "--isa", "avx3"], "avx3"),
        (["conv", "--threads", "0"], "--threads is 0"),
        (["gemm", "--isa", "avx3"], "avx3"),
        (["gemm", "--shape", "a"], "invalid int value"),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_expected(arguments, words, capsys):
    assert main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in " ".join(captured.err.split())
    assert captured.out == ""
