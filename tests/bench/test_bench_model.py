import pytest
import torch

from onebit.bench._model import cifar10_convnet, larq_vgg, mlp

WIDTHS = (8, 70, 8, 8, 8, 16)
TINY = {
    "mlp": lambda batch: mlp(batch, hidden=(70, 65)),
    "cifar10-convnet": lambda batch: cifar10_convnet(batch, WIDTHS),
    "larq-vgg": lambda batch: larq_vgg(batch, WIDTHS),
}


@pytest.fixture(scope="module", params=list(TINY))
def job(request):
    return TINY[request.param](5)


def test_the_packed_network_computes_the_numbers_of_the_float_one(job):
    assert job.check()
    assert job.shape == (5,)


def test_peers_run_the_same_network_with_norms_folded_in(job):
    with torch.inference_mode():
        assert torch.allclose(job.network(job.x), job.run(), rtol=1e-3, atol=1e-3)
    assert {type(module).__name__ for module in job.network} <= {
        "Centre", "Linear", "Conv2d", "MaxPool2d", "Flatten", "Sign"
    }  # fmt: skip


def test_about_half_of_the_signs_are_negative(job):
    value = job.x
    for module in job.network:
        value = module(value)
        if type(module).__name__ == "Sign":
            assert 0.2 < (value < 0).float().mean() < 0.8


def test_the_work_is_that_of_all_layers():
    job = TINY["mlp"](5)
    assert job.macs == 5 * (784 * 70 + 70 * 65 + 65 * 10)
    assert set(job.operators) == {"dense", "dense_u8"}
    assert cifar10_convnet(1).macs == 616_966_144


def test_building_a_job_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    mlp(1, hidden=(3,))
    assert torch.equal(torch.rand(3), expected)
