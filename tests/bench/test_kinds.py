import pytest

from onebit import bench
from onebit._errors import OptionError, UnknownName


@pytest.mark.parametrize("name", bench.KINDS)
def test_default_shapes_have_the_sizes_of_their_kind(name):
    kind = bench.KINDS[name]
    assert kind.name == name
    assert {len(shape) for shape in kind.shapes} == {len(kind.sizes)}


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5), (2, 3, 0), (2, -3, 4)])
def test_a_shape_of_another_kind_is_refused(shape):
    with pytest.raises(OptionError, match="M N K"):
        bench.KINDS["gemm"].workload(shape)


def test_a_shape_becomes_a_job_of_that_shape():
    assert bench.KINDS["gemm"].workload((2, 3, 4)).shape == (2, 3, 4)


def test_an_unknown_kind_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'gemm'"):
        bench.KINDS["gem"]
