import json
from dataclasses import replace

import pytest
import torch

import onebit
from onebit import bench, models
from onebit.cli import _bench_figure, main


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A small network's file, and sizes that take no time."""
    monkeypatch.setattr(_bench_figure, "QUICK_SIZE", 96)
    monkeypatch.setattr(_bench_figure, "QUICK_PICTURES", 30)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.onnx"
    model = models.mlp(hidden=(20,)).eval()
    onebit.convert(model, torch.zeros(1, 1, 28, 28, dtype=torch.uint8)).save(path)
    return path


def quick(*more):
    return ["bench", "figure", "--quick", "--seconds", "0", "--threads", "1", "--root", "absent", *more]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """The packaged digits, whatever is on this machine."""
    from onebit import data

    load = data.load

    def offline(name, root, split, **_):
        return load(name, root, split, download=False, notify=str)

    monkeypatch.setattr(data, "load", offline)


def test_the_figure_is_drawn_kept_and_told_as_json(network, capsys):
    assert main(quick("--model", str(network), "--json", "--out", "there")) == 0
    told = json.loads(capsys.readouterr().out)
    kept = json.loads((network.parent / "there" / f"{bench.file_name(told['machine'])}.json").read_text())
    assert told == kept | {"png": told["png"]}
    assert (network.parent / told["png"]).read_bytes().startswith(b"\x89PNG")
    assert told["layers"] == "784-20-10"
    assert told["size"] == 96
    assert told["product"]["baseline"]["extrapolated_from"] == "64 of 96 rows"
    assert set(told["ratios"]) == {"product", "network"}
    assert str(network) in told["accuracy_of"]


def test_the_table_has_the_ratios(network, capsys):
    assert main(quick("--model", str(network), "--full")) == 0
    text = capsys.readouterr().out
    assert "by onebit" in text
    assert "measured on" not in text


def test_a_forced_instruction_set_computes_the_figure(network, capsys):
    assert main(quick("--model", str(network), "--json", "--isa", "scalar")) == 0
    assert json.loads(capsys.readouterr().out)["isa"] == "scalar"


def test_without_a_model_the_demos_is_taken_else_one_is_trained(network, capsys, monkeypatch):
    trained = []
    monkeypatch.setattr(_bench_figure, "trained_now", lambda *_: trained.append(1) or onebit.load(network))
    assert main(quick("--json")) == 0
    assert "trained for this figure" in json.loads(capsys.readouterr().out)["accuracy_of"]
    _bench_figure.DEMO.parent.mkdir()
    network.rename(_bench_figure.DEMO)
    assert main(quick("--json")) == 0
    assert "demo/model.onnx" in json.loads(capsys.readouterr().out)["accuracy_of"]
    assert trained == [1]


def test_a_network_is_trained_when_there_is_none(network, capsys, monkeypatch):
    monkeypatch.setattr(_bench_figure, "QUICK_TRAINING", 300)
    assert main(quick("--json")) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["layers"] == "784-1024-1024-10"
    assert "Training a network" in captured.err


def test_a_gpu_has_no_instruction_set_to_force(network, capsys, monkeypatch):
    monkeypatch.setitem(bench.DEVICES._entries, "cuda", replace(bench.DEVICES["cuda"], check=lambda: None))
    assert main(quick("--model", str(network), "--device", "cuda", "--isa", "avx2")) == 2
    assert "forces kernels of the CPU" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["figure", "--device", "cuda"], "needs one: no CUDA device"),
        (["figure", "--device", "cpuu"], "Did you mean 'cpu'"),
        (["figure", "--shape", "2"], "no --shape"),
        (["figure", "--isa", "all"], "no --isa all"),
        (["figure", "--isa", "avx3"], "avx3"),
        (["figure", "--threads", "0"], "--threads is 0"),
        (["figure", "--model", "nowhere"], "nowhere"),
        (["gemm", "--quick"], "no --quick"),
        (["figur"], "Did you mean 'figure'"),
    ],
)
def test_a_wrong_request_is_refused(arguments, words, network, capsys):
    assert main(["bench", *arguments, "--root", "absent"] if arguments[0] == "figure" else ["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in " ".join(captured.err.split())
    assert captured.out == ""
