import pytest
import torch

from onebit._errors import OptionError
from onebit.data import Dataset
from onebit.nn import functional
from onebit.training import Callback, train


def test_a_tie_goes_to_the_later_epoch(tmp_path, recipe, data, monkeypatch):
    scores = iter([0.5, 0.75, 0.75, 0.25, 1.0])  # the last is the test
    monkeypatch.setattr("onebit.training._loop.accuracy", lambda *_: next(scores))
    monkeypatch.setattr("onebit.training._train.accuracy", lambda *_: next(scores))
    result = train(recipe.override("epochs=4"), tmp_path, data=data)
    assert (result.best_accuracy, result.best_epoch, result.test_accuracy) == (0.75, 3, 1.0)


def test_the_validation_pictures_are_the_last_ones_and_are_not_trained_on(tmp_path, recipe, data, monkeypatch):
    seen = []
    monkeypatch.setattr("onebit.training._loop.accuracy", lambda _model, dataset, _size: seen.append(dataset) or 0.5)
    plans = []

    class Watch(Callback):
        def on_start(self, plan):
            plans.append(plan)

    train(recipe, tmp_path, data=data, callbacks=[Watch()])
    assert torch.equal(seen[0].images, data[0].images[210:])
    assert plans[0].steps == 210 // 20


def test_every_epoch_has_its_own_order_without_repetition(tmp_path, recipe, data, monkeypatch):
    seen = []
    loss = functional.squared_hinge
    monkeypatch.setattr(functional, "squared_hinge", lambda o, labels: seen.append(labels) or loss(o, labels))
    whole, test = data
    numbered = Dataset(whole.images, torch.arange(280), tuple(map(str, range(280))), "numbered", "made by the test")
    train(recipe.override("model.options.classes=280"), tmp_path, data=(numbered, test))
    epochs = [torch.cat(seen[start : start + 10]) for start in (0, 10, 20)]
    for order in epochs:
        assert len(set(order.tolist())) == 200
        assert int(order.max()) < 210  # the rest is for validation
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_more_than_all_pictures_in_a_batch_is_refused(tmp_path, recipe, data):
    with pytest.raises(OptionError, match=r"batch_size is 211, but only 210 pictures are left for training"):
        train(recipe.override("batch_size=211"), tmp_path, data=data)
