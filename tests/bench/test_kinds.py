import pytest

from onebit import bench
from onebit._errors import OptionError, UnknownName
from onebit.ops import native


@pytest.mark.parametrize("name", bench.KINDS)
def test_default_shapes_have_the_sizes_of_their_kind(name):
    kind = bench.KINDS[name]
    assert kind.name == name
    assert kind.operator in native.operators()
    assert {len(shape) for _, shape in kind.plan()} == {len(kind.sizes)}


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5), (2, 3, 0), (2, -3, 4)])
def test_a_shape_of_another_kind_is_refused(shape):
    with pytest.raises(OptionError, match="M N K"):
        bench.KINDS["gemm"].plan(shapes=[shape])


def test_a_plan_has_each_job_at_its_own_shapes_or_at_those_asked_for():
    kind = bench.KINDS["model"]
    assert ("mlp", (256,)) in kind.plan()
    assert ("larq-vgg", (64,)) in kind.plan()
    assert kind.plan(["larq-vgg"]) == [("larq-vgg", (1,)), ("larq-vgg", (64,))]
    assert kind.plan(["mlp", "larq-vgg"], [[3], [4]]) == [
        ("mlp", (3,)), ("mlp", (4,)), ("larq-vgg", (3,)), ("larq-vgg", (4,))
    ]  # fmt: skip


def test_a_job_of_another_name_is_refused_with_the_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'larq-vgg'"):
        bench.KINDS["model"].plan(["larq_vgg"])


def test_a_shape_becomes_a_job_of_that_shape():
    assert bench.KINDS["gemm"].workload("dense_int32", (2, 3, 4)).shape == (2, 3, 4)


def test_an_unknown_kind_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'gemm'"):
        bench.KINDS["gem"]
