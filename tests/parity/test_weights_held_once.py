"""A loaded network holds its weights once, at 1 bit: measured on a process of its own, in torch and in ONNX Runtime."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

WIDTHS = (784, 8192, 8192, 10)  # 9.3 MB of weights: what else a process allocates is small beside them

# Prints the growth of private memory from loading the second file and running it; the first one wakes everything else.
PROGRAM = """
import ctypes, gc, sys
from onebit.runtime import OrtSession, load

def private():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:")) * 1024

def ready(path):
    model = OrtSession(path, threads=2) if sys.argv[1] == "onnxruntime" else load(path)
    model(model.input_spec.example(1))
    return model

first = ready(sys.argv[2])
before = private()
second = ready(sys.argv[3])
print(private() - before)
"""


@pytest.fixture(scope="module")
def files(packed_mlp_builder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    packed_mlp_builder((64, 64, 10)).save(folder / "small.onnx")
    packed = packed_mlp_builder(WIDTHS)
    packed.save(folder / "large.onnx")
    return folder / "small.onnx", folder / "large.onnx", sum(layer.weight_bytes for layer in packed.layers())


def test_the_weights_take_one_bit_each(files):
    _, large, held = files
    weights = sum(n * k for k, n in itertools.pairwise(WIDTHS))
    assert held < weights / 8 * 1.03  # a header per layer; 784 is filled up to 832 bits
    assert large.stat().st_size < held * 1.03


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_loading_and_running_takes_no_more_than_the_weights(files, runtime):
    small, large, held = files
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, runtime, str(small), str(large)], capture_output=True, text=True, check=True
    )
    grown = int(done.stdout)
    # A second copy would make it 2.0 and more; allocators leave up to 0.3 of slack on a busy machine.
    assert held * 0.9 < grown < held * 1.6  # below: it would not be the weights that were measured
