"""The network that a recipe describes, its preprocessing in the place where pixels come in."""

from __future__ import annotations

from torch import nn

from onebit import models
from onebit._errors import OptionError
from onebit.data import PictureSet, preprocess
from onebit.nn import Pixels
from onebit.training._recipe import Recipe


def make_network(recipe: Recipe, training: PictureSet | None = None) -> nn.Module:
    """The recipe's network. Preprocessing learns from `training`; without, it waits for a state dict.

    Raises OptionError if the recipe asks for preprocessing and the network has no `pixels` to put it in place of.
    """
    model: nn.Module = models.create(recipe.model.name, **recipe.model.options)
    if not recipe.data.preprocess:
        return model
    if not isinstance(getattr(model, "pixels", None), Pixels):
        raise OptionError(
            f"data.preprocess is given, but {recipe.model.name} has no nn.Pixels called pixels, which it would replace."
        )
    door = preprocess(recipe.data.preprocess)
    model.pixels = door if training is None else door.fit(training)
    return model
