import pytest

from onebit.bench._conv import conv
from onebit.ops import native


@pytest.mark.parametrize("isa", native.available_isas("conv2d"))
@pytest.mark.parametrize("shape", [(1, 3, 1), (2, 64, 4), (1, 70, 5)])
def test_the_job_has_the_signs_of_its_network(shape, isa):
    job = conv(*shape)
    with native.force(isa):
        assert job.check()
    assert native.ran("conv2d") == isa


def test_a_wrong_convolution_is_noticed():
    job = conv(1, 5, 4)
    job.network[0].weight.data *= -1
    assert not job.check()
