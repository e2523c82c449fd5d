import os
import pathlib
import subprocess
import sys

import pytest

from onebit.cli import _doctor, main


def error_of(capsys, *argv):
    """The one paragraph that a refused request prints, unwrapped."""
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert "\n\n" not in printed.err
    return " ".join(printed.err.split())


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for command in ("demo", "train", "eval", "convert", "summary", "doctor", "bench"):
        assert f"    {command} " in text


@pytest.mark.parametrize("command", ["demo", "train", "eval", "convert", "summary", "doctor", "bench"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: onebit {command}" in capsys.readouterr().out


def test_no_command_prints_the_help_and_fails(capsys):
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


def test_an_unknown_command_names_the_known(capsys):
    text = error_of(capsys, "trian", "mnist-demo")
    assert "'trian'" in text
    assert "train" in text


def test_an_unknown_option_suggests_the_near_miss(capsys):
    text = error_of(capsys, "eval", "x.onnx", "--data", "mnist", "--jsno")
    assert "onebit eval has no option or argument '--jsno'. Did you mean --json?" in text


def test_a_missing_argument_is_named(capsys):
    assert "PATH" in error_of(capsys, "eval")


def test_an_unknown_recipe_suggests_the_near_miss(capsys):
    assert "Did you mean 'mnist-demo'?" in error_of(capsys, "train", "mnist-dmo")


def test_an_unknown_recipe_option_suggests_the_near_miss(capsys):
    assert "Did you mean 'epochs'?" in error_of(capsys, "train", "mnist-demo", "--set", "epoch=2")
    assert "Did you mean 'lr'?" in error_of(capsys, "train", "mnist-demo", "--set", "optimizer.lrr=2")


def test_an_unknown_data_set_names_the_known(capsys, packed_file):
    assert "fashion-mnist" in error_of(capsys, "eval", str(packed_file), "--data", "fasion-mnist")


def test_a_folder_without_permission_is_one_paragraph(capsys, tmp_path, root, monkeypatch):
    def refuse(path, *args, **kwargs):  # not chmod: an administrator may write everywhere
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "mkdir", refuse)
    text = error_of(capsys, "train", "mnist-demo", "--out", str(tmp_path / "run"), "--root", str(root))
    assert str(tmp_path) in text
    assert "Permission denied" in text


def test_an_output_below_a_file_is_one_paragraph(capsys, tmp_path, root):
    (tmp_path / "file").write_text("in the way")
    text = error_of(capsys, "train", "mnist-demo", "--out", str(tmp_path / "file" / "run"), "--root", str(root))
    assert str(tmp_path / "file") in text


@pytest.mark.parametrize(("said", "printed"), [("", "onebit: interrupted"), ("Stopped.", "onebit: Stopped.")])
def test_an_interruption_is_no_error_and_has_an_exit_code_of_its_own(capsys, monkeypatch, said, printed):
    def interrupted(args):
        raise KeyboardInterrupt(said)

    monkeypatch.setattr(_doctor, "run", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == f"{printed}\n"


def test_an_absent_forced_instruction_set_is_one_paragraph():
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from onebit.cli import main; sys.exit(main(['eval', 'x.onnx', '--data', 'mnist']))",
        ],
        env={**os.environ, "ONEBIT_ISA": "avx1024"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 2
    assert "avx1024" in child.stderr
    assert "Traceback" not in child.stderr
