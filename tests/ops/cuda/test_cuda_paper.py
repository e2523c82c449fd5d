"""The paper's kernels on the software device, at shapes that fill no tile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from onebit._errors import ShapeError
from onebit.ops.cuda import paper_concatenate, paper_gemm, paper_xnor_gemm

SHAPES = [(1, 1, 1), (16, 16, 16), (17, 33, 65), (5, 40, 100)]


def signs(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randint(0, 2, (rows, columns), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_both_products_are_the_product(software_gpu: Callable[..., object], m: int, n: int, k: int) -> None:
    software_gpu((9, 0))
    a, b = signs(m, k, 0), signs(n, k, 1)
    assert torch.equal(paper_gemm(a, b.t()), a @ b.t())
    words, columns = paper_concatenate(a), paper_concatenate(b).t()
    assert torch.equal(paper_xnor_gemm(words, columns, k), a @ b.t())


def test_a_bit_is_1_for_a_negative_number(software_gpu: Callable[..., object]) -> None:
    software_gpu((9, 0))
    x = torch.tensor([[-1.0, 0.0, -0.0, 3.0, -2.0]])
    assert paper_concatenate(x).tolist() == [[0b10001]]
    assert paper_concatenate(torch.empty(0, 5)).shape == (0, 1)


def test_products_of_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(4, 5\)"):
        paper_gemm(torch.zeros(2, 3), torch.zeros(4, 5))
    with pytest.raises(ShapeError, match=r"expected .* of torch\.int32"):
        paper_xnor_gemm(torch.zeros(2, 3), torch.zeros(3, 5), 96)
    assert paper_gemm(torch.zeros(0, 3), torch.zeros(3, 5)).shape == (0, 5)
