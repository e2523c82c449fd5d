import json

import pytest

from onebit.cli import main
from onebit.ops import native


def evaluate(capsys, *argv):
    assert main(["eval", *map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_packed_file_has_exactly_the_accuracy_of_the_run(capsys, run_folder, packed_file, root):
    floats = evaluate(capsys, run_folder, "--data", "mnist", "--root", root)
    packed = evaluate(capsys, packed_file, "--data", "mnist", "--root", root)
    assert packed["accuracy"] == floats["accuracy"] > 0.5
    assert packed["images"] == 200
    assert packed["seconds"] > 0


def test_a_run_is_measured_on_its_own_data_set_unless_another_is_named(capsys, run_folder, packed_file, root):
    own = evaluate(capsys, run_folder, "--root", root)
    named = evaluate(capsys, run_folder, "--data", "mnist", "--root", root)
    assert (own["data"], own["correct"]) == ("mnist", named["correct"])
    assert main(["eval", str(packed_file), "--root", str(root)]) == 2
    assert "--data" in capsys.readouterr().err


@pytest.mark.parametrize("isa", native.available_isas("dense"))
def test_the_kernels_that_ran_are_named(isa, capsys, packed_file, root):
    with native.force(isa):
        result = evaluate(capsys, packed_file, "--data", "mnist", "--root", root)
        assert set(result["kernels"].values()) == {isa, native.active("dense_u8")}
    assert native.ran("dense") == isa


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnxruntime-plain"])
def test_onnx_runtime_gives_the_same_accuracy(runtime, capsys, packed_file, root):
    torch_result = evaluate(capsys, packed_file, "--data", "mnist", "--root", root)
    result = evaluate(capsys, packed_file, "--data", "mnist", "--root", root, "--runtime", runtime)
    assert result["correct"] == torch_result["correct"]


def test_the_report_for_a_person_names_accuracy_and_kernels(capsys, packed_file, root):
    assert main(["eval", str(packed_file), "--data", "mnist", "--root", str(root)]) == 0
    text = capsys.readouterr().out
    assert "accuracy" in text
    assert native.ran("dense") in text


@pytest.mark.parametrize("argv", [["--batch", "0"], ["--runtime", "onnxruntime"]])
def test_wrong_requests_are_refused(argv, capsys, run_folder, root):
    assert main(["eval", str(run_folder), "--data", "mnist", "--root", str(root), *argv]) == 2
    assert argv[0] in capsys.readouterr().err


def test_a_path_that_is_neither_is_refused(capsys, tmp_path):
    assert main(["eval", str(tmp_path / "nothing.onnx"), "--data", "mnist"]) == 2
    assert "nothing.onnx" in capsys.readouterr().err
    assert main(["eval", str(tmp_path), "--data", "mnist"]) == 2
    assert "recipe.yaml" in capsys.readouterr().err
