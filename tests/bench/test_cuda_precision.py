import pytest
import torch

from onebit.bench import precision


@pytest.mark.parametrize("tf32", [False, True])
def test_the_precision_is_set_and_put_back(tf32):
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction
    with precision(tf32=tf32):
        assert (matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction) == (tf32, False)
    assert (matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction) == before
