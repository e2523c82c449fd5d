import json

from onebit.cli import main


def test_runs_stand_side_by_side_with_what_they_differ_in(capsys, run_folder, root, small, tmp_path):
    other = tmp_path / "other"
    command = ["train", "mnist-demo", *small, "--set", "epochs=1", "min_steps=0", "seed=9", "--track", "tensorboard"]
    assert main([*command, "--out", str(other), "--root", str(root), "--quiet"]) == 0
    capsys.readouterr()
    picture = tmp_path / "compared.png"
    assert main(["compare", str(run_folder), str(other), "--out", str(picture)]) == 0
    text = capsys.readouterr().out
    for part in (str(run_folder), str(other), "best validation", "seed", "epochs", str(picture)):
        assert part in text, part
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["compare", str(run_folder), str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"]["seed"][1] == 9
    assert [row["epochs"] for row in found["runs"]][1] == 1
    assert all(0 < row["test_accuracy"] <= 1 for row in found["runs"])


def test_equal_recipes_are_said_to_be_equal_and_one_run_is_shown_alone(capsys, run_folder):
    assert main(["compare", str(run_folder), str(run_folder)]) == 0
    assert "The recipes are the same." in capsys.readouterr().out
    assert main(["compare", str(run_folder)]) == 0
    text = capsys.readouterr().out
    assert str(run_folder) in text
    assert "One run; give others to see how they differ." in text


def test_wrong_requests_are_refused(capsys, run_folder, tmp_path):
    assert main(["compare", str(run_folder), "--out", "a.txt"]) == 2
    assert ".png" in capsys.readouterr().err
    assert main(["compare", str(run_folder), str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err
