import pytest
import torch

from onebit.bench._gemm import gemm
from onebit.ops import native


@pytest.mark.parametrize("isa", native.available_isas("dense"))
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 65, 130), (40, 16, 64)])
def test_the_job_is_the_product_of_its_network(shape, isa):
    job = gemm(*shape)
    with native.force(isa):
        assert torch.equal(job.run(), job.network(job.x).to(torch.int32))
        assert job.check()
    assert native.ran("dense") == isa
    assert job.macs == shape[0] * shape[1] * shape[2]


def test_a_wrong_product_is_noticed():
    job = gemm(3, 65, 130)
    job.network[0].weight.data[64] *= -1
    assert not job.check()
