import pytest

from onebit.bench import _peers_openvino
from onebit.bench._gemm import gemm
from onebit.bench._model import mlp


def test_signs_become_relu_and_nothing_else():
    job = mlp(2, hidden=(9,))
    rectified = _peers_openvino.with_relu(job)
    assert [type(module).__name__ for module in rectified.network] == ["Centre", "Linear", "ReLU", "Linear"]
    assert rectified.network[1] is job.network[1]
    assert _peers_openvino.with_relu(gemm(4, 8, 32)) is None
    assert _peers_openvino.int8_relu(gemm(4, 8, 32), 1) is _peers_openvino.bf16_relu(gemm(4, 8, 32), 1) is None


def test_float32_is_exact():
    pytest.importorskip("openvino")
    job = gemm(4, 8, 32)
    assert _peers_openvino.float32(job, 1)().tolist() == job.network(job.x).tolist()


def test_quantizing_prints_nothing(capsys):
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    job = gemm(4, 8, 32)
    assert _peers_openvino.int8(job, 1)().shape == (4, 8)
    assert capsys.readouterr().out == ""
