import pytest

from onebit.bench import _peers_openvino
from onebit.bench._gemm import gemm

pytest.importorskip("openvino")


def test_float32_is_exact():
    job = gemm(4, 8, 32)
    assert _peers_openvino.float32(job, 1)().tolist() == job.network(job.x).tolist()


def test_quantizing_prints_nothing(capsys):
    pytest.importorskip("nncf")
    job = gemm(4, 8, 32)
    assert _peers_openvino.int8(job, 1)().shape == (4, 8)
    assert capsys.readouterr().out == ""
