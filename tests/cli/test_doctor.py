import json
import os
import subprocess
import sys

import torch

from onebit.cli import _doctor, main
from onebit.ops import native


def test_the_doctor_names_kernel_front_doors_and_data(capsys, root):
    assert main(["doctor", "--json", "--root", str(root)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kernels"]["dense"]["chosen"] == native.active("dense")
    assert facts["choices"]["dense 1 x 4096 x 4096"]["isa"] == native.choice("dense", 1, 4096, 4096).isa
    assert facts["cpu_unusable"] == native.cpu_unusable()
    assert facts["torch_front_door"]
    assert "registered" in facts["onnxruntime"]
    assert str(root) in facts["data"]["mnist"]


def test_the_report_for_a_person_has_the_same(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("torch", "kernel", "dense_u8", "choice", "onnxruntime", "gpu", "mnist"):
        assert word in text


def test_the_doctor_says_what_of_a_file_runs_in_one_call(packed_mlp, tmp_path, capsys):
    packed_mlp().save(tmp_path / "chain.onnx")
    packed_mlp((70, 10)).save(tmp_path / "alone.onnx")
    assert main(["doctor", "--model", str(tmp_path / "chain.onnx")]) == 0
    assert "one call     On the CPU one call of the library runs the 3 operators" in capsys.readouterr().out
    assert main(["doctor", "--json", "--model", str(tmp_path / "alone.onnx")]) == 0
    (said,) = json.loads(capsys.readouterr().out)["calls"]
    assert "each is a call of its own" in said


def test_a_gpu_is_told_with_the_kernels_it_can_run(monkeypatch):
    from onebit.ops import cuda

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    monkeypatch.setattr(cuda, "kernels", lambda: ["popc", "mma", "128x64"])
    monkeypatch.setattr(cuda, "conv_kernels", lambda: ["popc", "mma"])
    assert _doctor.gpu_facts() == "GPU 0; dense: popc, mma, 128x64; conv2d: popc, mma"


def test_without_the_library_the_doctor_says_so_and_fails(tmp_path):
    child = subprocess.run(
        [sys.executable, "-m", "onebit", "doctor"],
        env={**os.environ, "ONEBIT_LIBRARY": str(tmp_path / "libonebit.so")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 1
    assert str(tmp_path / "libonebit.so") in child.stdout
    assert child.stderr == ""
