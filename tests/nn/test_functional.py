import torch

from onebit.nn import functional


def test_the_functional_forms():
    outputs, labels = torch.tensor([[0.0, 0.0]]), torch.tensor([1])
    assert functional.squared_hinge(outputs, labels).item() == 1.0
