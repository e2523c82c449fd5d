"""The network of a command on pictures of one's own: a folder for each class, matched by name."""

import json

import pytest
from PIL import Image

from onebit import data, load
from onebit.cli import main


@pytest.fixture(scope="module")
def digits(root):
    return data.load("mnist", root, "test")


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """The first 60 test digits as a folder of pictures, each class called as MNIST calls it."""
    path = tmp_path_factory.mktemp("own")
    for number, (image, label) in enumerate(zip(digits.images[:60], digits.labels[:60].tolist(), strict=True)):
        (path / digits.classes[label]).mkdir(exist_ok=True)
        Image.fromarray(image[0].numpy()).save(path / digits.classes[label] / f"{number}.png")
    return path


def evaluate(capsys, *argv):
    assert main(["eval", *map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_file_knows_its_classes(packed_file, digits):
    assert load(packed_file).facts.classes == digits.classes


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime-plain"])
def test_run_and_file_see_a_folder_as_they_see_the_set(runtime, capsys, run_folder, packed_file, root, folder, digits):
    model = load(packed_file)
    correct = int((model(digits.images[:60]).argmax(1) == digits.labels[:60]).sum())
    of_run = evaluate(capsys, run_folder, "--folder", folder, "--root", root)
    packed = evaluate(capsys, packed_file, "--folder", folder, "--runtime", runtime)
    assert of_run["correct"] == packed["correct"] == correct > 30
    assert of_run["images"] == packed["images"] == 60
    assert of_run["split"] == "all"
    assert packed["classes"] == len(digits.labels[:60].unique())


def test_a_folder_of_some_classes_counts_with_the_network_s_numbers(capsys, packed_file, folder, digits, tmp_path):
    chosen = digits.classes[7]
    (tmp_path / chosen).symlink_to(folder / chosen)
    sevens = digits.images[:60][digits.labels[:60] == 7]
    assert evaluate(capsys, packed_file, "--folder", tmp_path)["correct"] == int(
        (load(packed_file)(sevens).argmax(1) == 7).sum()
    )
    assert main(["eval", str(packed_file), "--folder", str(tmp_path)]) == 0
    assert "1 of 10 classes" in capsys.readouterr().out


def test_a_folder_with_parts_gives_the_one_that_is_asked_for(capsys, packed_file, folder, tmp_path):
    (tmp_path / "train").symlink_to(folder)
    (tmp_path / "val").mkdir()
    for one in folder.iterdir():
        (tmp_path / "val" / one.name).mkdir()
        first = sorted(one.iterdir())[0]
        (tmp_path / "val" / one.name / first.name).symlink_to(first)
    assert evaluate(capsys, packed_file, "--folder", tmp_path, "--split", "train")["images"] == 60
    assert evaluate(capsys, packed_file, "--folder", tmp_path)["images"] == len([*folder.iterdir()])


def test_folders_of_other_classes_are_refused_by_name(capsys, packed_file, folder, tmp_path):
    (tmp_path / "zebra").symlink_to(next(folder.iterdir()))
    assert main(["eval", str(packed_file), "--folder", str(tmp_path)]) == 2
    assert "does not know 1: 'zebra'" in capsys.readouterr().err


def test_a_file_without_names_takes_those_of_a_set(capsys, packed_file, root, folder, tmp_path):
    packed = load(packed_file)
    packed.facts = type(packed.facts)()
    packed.save(tmp_path / "bare.onnx")
    assert main(["eval", str(tmp_path / "bare.onnx"), "--folder", str(folder)]) == 2
    assert "does not name its classes" in " ".join(capsys.readouterr().err.split())
    named = evaluate(capsys, tmp_path / "bare.onnx", "--folder", folder, "--data", "mnist", "--root", root)
    assert named["correct"] == evaluate(capsys, packed_file, "--folder", folder)["correct"]


def test_predict_takes_a_folder_of_pictures_and_the_file_s_names(capsys, packed_file, folder, digits, tmp_path):
    assert main(["predict", str(packed_file), str(folder), "--top", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 60
    assert {one["classes"][0]["class"] for one in found} <= set(digits.classes)
    assert main(["predict", str(packed_file), str(tmp_path)]) == 2
    assert "without pictures" in capsys.readouterr().err
