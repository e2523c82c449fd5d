import json

import pytest
from PIL import Image

from onebit import data
from onebit.cli import main
from onebit.training import load_run


@pytest.fixture(scope="module")
def pictures(root, tmp_path_factory):
    """The first test digit as it is, and enlarged in colour."""
    folder = tmp_path_factory.mktemp("pictures")
    digit = Image.fromarray(data.load("mnist", root, "test").images[0, 0].numpy())
    digit.save(folder / "plain.png")
    digit.convert("RGB").resize((56, 56)).save(folder / "large.png")
    return folder / "plain.png", folder / "large.png"


def predict(capsys, *argv):
    assert main(["predict", *map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_gives_the_scores_of_its_network(capsys, run_folder, root, pictures):
    (found,) = predict(capsys, run_folder, pictures[0], "--root", root, "--top", 10)
    test = data.load("mnist", root, "test")
    model, _ = load_run(run_folder)
    scores = model(test.images[:1])[0].tolist()
    assert found["changes"] == ""
    assert {one["class"]: one["score"] for one in found["classes"]} == dict(zip(test.classes, scores, strict=True))
    values = [one["score"] for one in found["classes"]]
    assert values == sorted(values, reverse=True)


def test_a_packed_file_says_the_same_and_takes_names_from_a_set(capsys, run_folder, packed_file, root, pictures):
    of_run = predict(capsys, run_folder, *pictures, "--root", root)
    packed = predict(capsys, packed_file, *pictures, "--root", root, "--data", "mnist")
    assert [[one["class"] for one in row["classes"]] for row in packed] == [
        [one["class"] for one in row["classes"]] for row in of_run
    ]
    assert packed[1]["changes"] == "made grey, scaled from 56x56 to 28x28"


def test_a_person_reads_classes_scores_and_what_was_changed(capsys, packed_file, pictures):
    assert main(["predict", str(packed_file), *map(str, pictures), "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * (1 + 2)
    assert lines[0] == str(pictures[0])
    assert "scaled from 56x56 to 28x28" in lines[3]


def test_a_broken_picture_is_told_before_anything_is_computed(capsys, packed_file, pictures, tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    assert main(["predict", str(packed_file), str(pictures[0]), str(tmp_path / "broken.png")]) == 2
    shown = capsys.readouterr()
    assert "broken.png" in shown.err
    assert shown.out == ""
    assert main(["predict", str(packed_file), str(tmp_path / "gone.png")]) == 2
    assert "gone.png" in capsys.readouterr().err
    assert main(["predict", str(packed_file), str(pictures[0]), "--top", "0"]) == 2
