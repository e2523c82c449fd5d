import pytest

from onebit.bench import _peers_onnxruntime
from onebit.bench._model import mlp

pytest.importorskip("onnxruntime")


def test_a_network_has_the_scores_of_torch():
    job = mlp(3, hidden=(9,))
    scores = job.network(job.x).flatten().tolist()
    assert _peers_onnxruntime.float32(job, 1)().flatten().tolist() == pytest.approx(scores, rel=1e-4, abs=1e-4)
