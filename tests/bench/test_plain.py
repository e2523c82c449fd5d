import pytest
import torch
from torch import nn

from onebit._errors import NativeError, ShapeError
from onebit.bench import _plain
from onebit.bench._workload import signs


@pytest.mark.parametrize("shape", [(1, 1, 1), (16, 16, 16), (17, 31, 33), (5, 70, 129), (40, 3, 15), (0, 3, 4)])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_plain_product_is_the_product(shape, threads):
    m, n, k = shape
    a, b = signs(m, k, seed=0), torch.arange(k * n).float().reshape(k, n) % 5
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(_plain.plain_matmul(a, b), a @ b)
    finally:
        torch.set_num_threads(before)


def test_operands_may_be_views():
    a, b = signs(20, 40, seed=0), signs(33, 20, seed=1)
    assert torch.equal(_plain.plain_matmul(a.t(), b.t()), a.t() @ b.t())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.ones(2, 3), torch.ones(4, 2)),
        (torch.ones(3), torch.ones(3, 2)),
        (torch.ones(2, 3, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64)),
    ],
)
def test_other_operands_are_refused(a, b):
    with pytest.raises(ShapeError, match="expected"):
        _plain.plain_matmul(a, b)


def test_a_library_without_the_loop_is_named(monkeypatch):
    monkeypatch.setattr(_plain, "lib", object())
    with pytest.raises(NativeError, match="Rebuild"):
        _plain.plain_matmul(torch.ones(2, 2), torch.ones(2, 2))


@torch.inference_mode()
@pytest.mark.parametrize("bias", [False, True])
def test_a_network_of_plain_products_computes_the_same(bias):
    network = nn.Sequential(nn.Linear(30, 20, bias=bias), nn.Flatten(), nn.Linear(20, 3))
    for layer in (network[0], network[2]):
        layer.weight.copy_(signs(*layer.weight.shape, seed=0))
        if layer.bias is not None:
            layer.bias.copy_(signs(len(layer.bias), seed=2) / 2)
    plain = _plain.with_plain_products(network)
    x = signs(7, 30, seed=1)
    assert [type(layer).__name__ for layer in plain] == ["PlainLinear", "Flatten", "PlainLinear"]
    assert torch.equal(plain(x), network(x))
