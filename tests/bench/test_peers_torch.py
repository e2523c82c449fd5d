import torch

from onebit.bench import _peers_torch
from onebit.bench._conv import conv
from onebit.bench._gemm import gemm
from onebit.bench._model import mlp


def test_int8_has_exact_int32_sums():
    job = gemm(3, 8, 300)
    sums = _peers_torch.int8(job, 1)()
    assert sums.dtype == torch.int32
    assert torch.equal(sums, job.run())


def test_int8_has_no_form_for_layers_that_are_no_single_product():
    assert _peers_torch.int8(conv(1, 8, 4), 1) is None
    assert _peers_torch.int8(mlp(1, hidden=(3,)), 1) is None


def test_bf16_computes_in_bf16_and_leaves_the_network():
    job = gemm(3, 8, 32)
    assert _peers_torch.bf16(job, 1)().dtype == torch.bfloat16
    assert job.network[0].weight.dtype == torch.float32
