import pytest
import torch
from PIL import Image

from onebit import models
from onebit._errors import OptionError
from onebit.data import adapt, preprocess, split
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


def test_pictures_that_are_read_train_as_pictures_in_memory_do(tmp_path, recipe, data):
    recipe = recipe.override("data.augment=[crop: 1]", "data.preprocess=[gcn: 55, normalise]", "epochs=2")
    read = tuple(adapt(list(zip(one.images, one.labels.tolist(), strict=True))) for one in data)
    results = [train(recipe, tmp_path / name, data=one) for name, one in (("memory", data), ("read", read))]
    assert results[0].test_accuracy == results[1].test_accuracy
    first, second = (load_run(tmp_path / name)[0].state_dict() for name in ("memory", "read"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_recipe_names_a_folder_of_ones_own(tmp_path, recipe, data):
    for i, (picture, label) in enumerate(zip(data[0].images, data[0].labels.tolist(), strict=True)):
        path = tmp_path / "pictures" / data[0].classes[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0].numpy()).save(path)
    own = recipe.override("data.name=folder", f"data.path={tmp_path / 'pictures'}", "data.size=8", "epochs=6")
    own = own.override("model.options.inputs=192", "data.augment=[random-resized-crop: {scale: [0.9, 1]}]")
    assert train(own, tmp_path / "run").test_accuracy >= 0.9


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
