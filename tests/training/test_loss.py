import typing

import torch

from onebit.training._loss import LOSSES
from onebit.training._recipe import Recipe


def test_every_loss_a_recipe_can_name_takes_scores_and_labels():
    named = typing.get_args(typing.get_type_hints(Recipe)["loss"])
    assert set(named) == set(LOSSES)
    scores, labels = torch.tensor([[2.0, -2.0], [-1.0, 3.0]]), torch.tensor([0, 1])
    assert LOSSES["squared-hinge"](scores, labels) == 0
    expected = (torch.log1p(torch.tensor([-4.0, -4.0]).exp())).mean()
    torch.testing.assert_close(LOSSES["cross-entropy"](scores, labels), expected)
