import json
import os
import subprocess
import sys

from onebit.cli import main
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
