import pytest

from onebit.cli import main


def test_the_summary_of_a_run_counts_its_layers(capsys, run_folder):
    assert main(["summary", str(run_folder)]) == 0
    text = capsys.readouterr().out
    assert "BinaryLinear" in text
    assert "50,176" in text  # 784 * 64 weights of the first layer


def test_the_summary_of_a_packed_file_explains_it(capsys, packed_file):
    assert main(["summary", str(packed_file)]) == 0
    assert "dense_u8_bits" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["larq-vgg", "mnist-mlp", "svhn-convnet-shift"])
def test_the_summary_of_a_recipe_is_that_of_its_network_untrained(capsys, name):
    assert main(["summary", name]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{name}: ")
    first = {"larq-vgg": "8        1", "mnist-mlp": "8        1", "svhn-convnet-shift": "32       1"}[name]
    assert first in text  # whitened pictures are real numbers, others are bytes
    assert "energy (estimate)" in text


def test_a_path_that_is_nothing_known_is_refused_with_the_near_miss(capsys, tmp_path):
    assert main(["summary", "larq-vg"]) == 2
    assert "No run folder, .onnx file or recipe is called 'larq-vg'. Did you mean 'larq-vgg'?" in said(capsys)
    assert main(["summary", str(tmp_path / "absent")]) == 2
    assert "is neither a run folder, an .onnx file nor a recipe" in said(capsys)


def said(capsys):
    return " ".join(capsys.readouterr().err.split())
