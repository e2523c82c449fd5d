import torch

from onebit.nn import functional


def test_the_functional_forms():
    outputs, labels = torch.tensor([[0.0, 0.0]]), torch.tensor([1])
    assert functional.squared_hinge(outputs, labels).item() == 1.0
    assert functional.hard_sigmoid(torch.tensor([-3.0, -1, 0, 0.5, 2])).tolist() == [0, 0, 0.5, 0.75, 1]
    assert functional.ap2(torch.tensor([5.0])).item() == 4.0
