import os
import signal
import subprocess
import sys
import time

from onebit.cli import main


def test_a_run_leaves_its_files(run_folder):
    for name in ("recipe.yaml", "metrics.jsonl", "curves.png", "model.safetensors"):
        assert (run_folder / name).stat().st_size > 0


def test_the_recipes_are_listed(capsys):
    assert main(["train", "--list"]) == 0
    assert "mnist-mlp " in capsys.readouterr().out


def test_a_run_is_not_replaced_unasked(capsys, run_folder, root, small):
    before = (run_folder / "model.safetensors").read_bytes()
    command = ["train", "mnist-demo", *small, "--out", str(run_folder), "--root", str(root), "--quiet"]
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (run_folder / "model.safetensors").read_bytes() == before


def test_a_recipe_must_be_named(capsys):
    assert main(["train"]) == 2
    assert "--list" in capsys.readouterr().err


def test_ctrl_c_leaves_a_run_that_resumes(tmp_path, root, small):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "onebit", "train", "mnist-demo", *small, "--set", "epochs=2000"]
    command += ["--out", str(out), "--root", str(root), "--quiet"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (out / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert (out / "checkpoint.pt").stat().st_size > 0
    resumed = subprocess.Popen([*command, "--resume"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    epochs = len((out / "metrics.jsonl").read_text().splitlines())
    while len((out / "metrics.jsonl").read_text().splitlines()) <= epochs and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(resumed.pid, signal.SIGINT)
    resumed.communicate(timeout=60)
    assert resumed.returncode == 130
    assert len((out / "metrics.jsonl").read_text().splitlines()) > epochs


def test_epochs_and_the_float_twin_are_options(tmp_path, root, small):
    out = tmp_path / "twin"
    command = ["train", "mnist-demo", *small, "--epochs", "1", "--twin", "float", "--set", "min_steps=0"]
    assert main([*command, "--out", str(out), "--root", str(root), "--quiet"]) == 0
    recipe = (out / "recipe.yaml").read_text()
    assert "name: mnist-demo-float" in recipe
    assert "epochs: 1\n" in recipe
