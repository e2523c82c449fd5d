import torch

from onebit.bench._figure_device import any_numbers, equal, nearly


def test_equal_numbers_may_have_another_dtype():
    y = torch.tensor([[3, -5]], dtype=torch.int32)
    assert equal(y.float(), y)
    assert not equal(y.float() + 1, y)


def test_a_rounded_sum_is_near():
    y = torch.arange(-700, 700, dtype=torch.int32)
    assert nearly(y.bfloat16(), y)
    assert not nearly((y + 30).bfloat16(), y)


def test_any_numbers_still_have_a_shape():
    assert any_numbers(torch.zeros(2, 3), torch.ones(2, 3))
    assert not any_numbers(torch.zeros(3), torch.ones(2, 3))
