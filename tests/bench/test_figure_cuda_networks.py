import pytest
import torch

from onebit import bench
from onebit.bench import _figure_cuda_networks as networks
from onebit.bench._float_chain import float_chain
from onebit.bench._workload import linear, signs
from onebit.ops import cuda as engine


@pytest.fixture
def chain():
    return float_chain(bench.random_mlp(hidden=(40, 30)))


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_bytes_give_the_scores_of_floats(chain, pixels):
    assert torch.equal(networks.of_bytes(chain)(pixels), chain(pixels))


def test_halves_are_those_of_the_chain_and_leave_it_as_it_was(chain, pixels):
    before = chain(pixels)
    scores = networks.of_halves(chain)(pixels)
    assert scores.dtype == torch.float32
    assert scores.shape == before.shape
    assert torch.equal(chain(pixels), before)


def test_a_pixel_less_128_is_its_byte_with_a_sign():
    p = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert torch.equal(networks.Centred()(p), (p.int() - 128).to(torch.int8).view(1, 256))


@pytest.mark.parametrize("kind", [networks.PaperLinear, networks.XnorLinear])
def test_a_papers_layer_is_the_linear_layer(kind, monkeypatch):
    monkeypatch.setattr(engine, "paper_gemm", torch.matmul)
    monkeypatch.setattr(engine, "paper_concatenate", lambda x: (x < 0).int())
    monkeypatch.setattr(engine, "paper_xnor_gemm", lambda a, b, _: (1.0 - 2 * a) @ (1.0 - 2 * b))
    for bias in (None, torch.arange(7.0)):
        layer, x = linear(signs(7, 33, seed=0), bias), signs(5, 33, seed=1)
        assert torch.equal(kind(layer)(x), layer(x))


def test_the_last_kind_makes_the_rest(chain):
    made = networks.exchanged(chain, lambda _: torch.nn.Identity(), lambda _: torch.nn.Flatten())
    kinds = [type(layer).__name__ for layer in made]
    assert kinds == ["Flat", "Identity", "Sign", "Flatten", "Sign", "Flatten", "Affine"]
