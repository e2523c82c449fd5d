import pytest
import torch

from onebit.bench._model import mlp


@pytest.fixture(scope="module")
def job():
    return mlp(5, hidden=(70, 65))


def test_the_packed_network_computes_the_numbers_of_the_float_one(job):
    assert job.check()
    assert job.macs == 5 * (784 * 70 + 70 * 65 + 65 * 10)
    assert set(job.operators) == {"dense", "dense_u8"}


def test_peers_run_the_same_network_with_norms_folded_in(job):
    assert [type(module).__name__ for module in job.network] == [
        "Centre", "Linear", "Sign", "Linear", "Sign", "Linear"
    ]  # fmt: skip
    assert torch.allclose(job.network(job.x), job.run(), rtol=1e-3, atol=1e-3)


def test_about_half_of_the_signs_are_negative(job):
    signs = job.network[:3](job.x)
    assert 0.2 < (signs < 0).float().mean() < 0.8


def test_building_a_job_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    mlp(1, hidden=(3,))
    assert torch.equal(torch.rand(3), expected)
