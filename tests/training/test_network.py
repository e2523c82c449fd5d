import pytest
import torch

from onebit import models
from onebit._errors import OptionError
from onebit.data import preprocess, split
from onebit.nn import Pixels
from onebit.training import load_run, train
from onebit.training._network import make_network

STEPS = "data.preprocess=[gcn: 55, {zca: 0.1}]"


def test_without_preprocessing_it_is_the_plain_network(recipe):
    assert isinstance(make_network(recipe).pixels, Pixels)


def test_preprocessing_stands_where_pixels_come_in_and_learns_from_the_training_pictures(recipe, data):
    training, _ = split(data[0], 70)
    torch.manual_seed(0)
    plain = make_network(recipe).eval()
    torch.manual_seed(0)
    network = make_network(recipe.override(STEPS), training).eval()
    alone = preprocess([{"gcn": 55}, "zca"]).fit(training)
    plain.pixels = alone
    assert torch.equal(network(data[1].images), plain(data[1].images))


def test_a_network_without_pixels_is_refused(recipe, monkeypatch):
    monkeypatch.setattr(models, "create", lambda *_, **__: torch.nn.Linear(2, 2))
    with pytest.raises(OptionError, match=r"data\.preprocess is given, but mlp has no nn\.Pixels called pixels"):
        make_network(recipe.override(STEPS))


def test_a_trained_run_keeps_what_was_learned_from_the_pictures_not_held_out(tmp_path, recipe, data):
    recipe = recipe.override("data.preprocess=[gcn: 55, normalise]", "epochs=6")
    result = train(recipe, tmp_path / "run", data=data)
    assert result.test_accuracy >= 0.9
    model, _ = load_run(tmp_path / "run")
    learned = preprocess([{"gcn": 55}, "normalise"]).fit(data[0].images[:210]).state_dict()
    state = model.pixels.state_dict()
    assert state.keys() == learned.keys()
    assert all(torch.equal(state[name], learned[name]) for name in learned)
