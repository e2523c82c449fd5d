import importlib.util

import pytest
import torch

from onebit import bench
from onebit.bench import _peers
from onebit.bench._conv import conv
from onebit.bench._gemm import gemm
from onebit.bench._model import mlp

ROUNDED = {"torch bf16", "openvino bf16", "openvino int8"}


def test_every_peer_runs_or_has_a_reason():
    runs, absent = _peers.prepare(gemm(4, 8, 32), 1)
    assert set(runs) | set(absent) == set(bench.PEERS)
    assert not set(runs) & set(absent)


def test_a_peer_that_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    runs, absent = _peers.prepare(gemm(4, 8, 32), 1)
    assert "onnxruntime float32" not in runs
    assert "onnxruntime not installed" in absent["onnxruntime float32"]
    assert "onebit[onnx]" in absent["onnxruntime float32"]


@pytest.mark.parametrize("job", [gemm(4, 8, 32), conv(1, 8, 4)], ids=["gemm", "conv"])
def test_peers_compute_the_sums_of_the_job(job):
    expected = job.network(job.x)
    for name, run in _peers.prepare(job, 1)[0].items():
        if name not in ROUNDED:
            assert torch.equal(torch.as_tensor(run()).float(), expected), name


def test_int8_is_for_single_products_only():
    job = mlp(2, hidden=(9,))
    runs, absent = _peers.prepare(job, 1)
    assert job.name in absent["torch int8 _int_mm"]
    assert torch.as_tensor(runs["torch bf16"]()).shape == (2, 10)
