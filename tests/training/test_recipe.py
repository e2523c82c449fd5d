import pytest
import torch

from onebit import data, models
from onebit._errors import FormatError, OptionError, UnknownName
from onebit.nn import binary_layers
from onebit.training import Recipe, recipe_names
from onebit.training._optimizer import learning_rate


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_names_things_that_exist_and_survives_a_round_trip(name):
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.description
    assert recipe.data.name in data.names()
    with torch.device("meta"):
        models.create(recipe.model.name, **recipe.model.options)
    assert Recipe.parse(recipe.yaml(), name="other", origin="text") == recipe


def test_the_recipes():
    convnets = {f"{name}-convnet{shift}" for name in ("cifar10", "svhn") for shift in ("", "-shift")}
    assert {"mnist-mlp", "mnist-mlp-shift", "mnist-demo", "larq-vgg", "cifar10-convnet-best", *convnets} <= set(
        recipe_names()
    )


@pytest.mark.parametrize(
    ("name", "batch", "epochs", "rates"),
    [  # (epoch, rate): the constants of the authors' two programs
        ("cifar10-convnet", 50, 500, {0: 1e-3, 1: 1e-3 * 0.983907}),
        ("svhn-convnet", 50, 200, {0: 1e-3, 1: 1e-3 * 0.966051}),
        ("cifar10-convnet-shift", 200, 500, {0: 2**-6, 49: 2**-6, 50: 2**-7}),
        ("svhn-convnet-shift", 200, 200, {0: 2**-7, 19: 2**-7, 20: 2**-8}),
    ],
)
def test_the_papers_convolutional_recipes_are_the_papers(name, batch, epochs, rates):
    recipe = Recipe.load(name)
    assert (recipe.batch_size, recipe.epochs) == (batch, epochs)
    for epoch, rate in rates.items():
        assert learning_rate(recipe.optimizer, epoch, 0, epochs, 900) == pytest.approx(rate, rel=1e-6)


def test_the_networks_of_the_recipes_have_the_published_sizes():
    sizes = {
        "larq-vgg": 10_363_550,
        "cifar10-convnet": 14_022_016,
        "svhn-convnet": 6_397_632,
        "imagenet-alexnet": 77_160_512,
        "imagenet-googlenet": 6_990_272,
    }
    for name, expected in sizes.items():
        recipe = Recipe.load(name)
        with torch.device("meta"):
            model = models.create(recipe.model.name, **recipe.model.options)
        parameters = list(model.parameters())
        buffers = [buffer for buffer in model.buffers() if buffer.ndim == 1]  # Keras counts running statistics
        counted = [*parameters, *buffers] if name == "larq-vgg" else [p for p in parameters if p.ndim > 1]
        assert sum(tensor.numel() for tensor in counted) == expected


@pytest.mark.parametrize("name", recipe_names())
def test_a_twin_has_the_same_schedule_and_no_binarization(name):
    recipe = Recipe.load(name)
    twin = recipe.twin()
    assert twin.name == f"{name}-float"
    assert (twin.epochs, twin.optimizer.lr, twin.optimizer.clip) == (recipe.epochs, recipe.optimizer.lr, False)
    with torch.device("meta"):
        model = models.create(twin.model.name, **twin.model.options)
    assert not list(binary_layers(model))


def test_the_papers_recipe_is_the_papers():
    recipe = Recipe.load("mnist-mlp")
    layers = {"hidden": [4096, 4096, 4096], "dropout": [0.2, 0.5]}
    assert recipe.model.options == {**layers, "activation": "sign", "batch_norm": "theano"}
    rate = recipe.optimizer
    assert (rate.name, rate.lr, rate.lr_end, rate.decay) == ("adam", 0.003, 3e-7, "epoch")
    assert (rate.step_scale, rate.clip, rate.options) == (True, True, {})
    assert (recipe.epochs, recipe.batch_size) == (1000, 100)
    assert round(60_000 * recipe.data.validation) == 10_000


def test_the_papers_shift_based_recipe_is_the_papers():
    recipe = Recipe.load("mnist-mlp-shift")
    layers = {"hidden": [2048, 2048, 2048], "dropout": [0.0, 0.0]}
    assert recipe.model.options == {**layers, "activation": "stochastic-sign", "batch_norm": "shift"}
    rate = recipe.optimizer
    assert (rate.name, rate.lr, rate.step_scale, rate.norm_scale) == ("shift-adamax", 2**-6, True, True)
    assert rate.clip is True
    assert [learning_rate(rate, epoch, 7, 1000, 500) for epoch in (0, 19, 20, 40, 999)] == [
        2.0**-6, 2.0**-6, 2.0**-7, 2.0**-8, 2.0**-55
    ]  # fmt: skip
    assert (recipe.epochs, recipe.batch_size, round(60_000 * recipe.data.validation)) == (1000, 100, 10_000)


def test_override_sets_typed_values_and_leaves_the_original(recipe):
    changed = recipe.override("optimizer.lr=1e-2", "epochs=7", "model.options.hidden=[8, 8]", "optimizer.clip=false")
    assert (changed.optimizer.lr, changed.epochs, changed.optimizer.clip) == (0.01, 7, False)
    assert changed.model.options["hidden"] == [8, 8]
    assert changed.model.options["inputs"] == 64
    assert (recipe.epochs, recipe.model.options["hidden"]) == (3, [24, 16])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("epoch=3", UnknownName, r"No option of a recipe is called 'epoch'. Did you mean 'epochs'\?"),
        ("optimizer.lr_edn=3", UnknownName, r"No option of optimizer is called 'lr_edn'. Did you mean 'lr_end'\?"),
        ("optimiser.lr=3", UnknownName, r"No section of a recipe is called 'optimiser'. Did you mean 'optimizer'\?"),
        ("epochs.lr=3", OptionError, r"epochs is one value, so it has no 'lr'"),
        ("epochs", OptionError, r"'epochs' changes nothing. Expected key=value"),
        ("epochs=many", OptionError, r"epochs is 'many', of type str. Expected int"),
        ("epochs=0", OptionError, r"epochs is 0. Expected 1 or more"),
        ("epochs=[", OptionError, r"'\[' is not a value"),
        ("optimizer.lr_end=1", OptionError, r"optimizer.lr_end is 1.0. Expected more than 0, at most lr \(0.01\)"),
        ("optimizer.name=adma", OptionError, r"optimizer.name is 'adma'. Expected one of 'adam', 'sgd'"),
        ("data.validation=1", OptionError, r"data.validation is 1.0. Expected a share between 0 and 1, or a number"),
        ("data.validation=2.5", OptionError, r"data.validation is 2.5"),
        ("data.augment=[flop]", UnknownName, r"No augmentation is called 'flop'. Did you mean 'flip'"),
        ("data.augment=flip", OptionError, r"data.augment is 'flip', of type str. Expected list"),
        ("data.preprocess=[gcn: -1]", OptionError, r"gcn: scale is -1"),
        ("batch_size=1", OptionError, r"batch norm needs a variance"),
        ("seed=-1", OptionError, r"seed is -1. Expected 0 to 2\*\*40 - 1"),
        ("seed=99999999999999999999", OptionError, r"Expected 0 to 2\*\*40 - 1"),
        ("data.workers=-1", OptionError, r"data.workers is -1. Expected 0 or more"),
    ],
)
def test_wrong_overrides_are_refused(recipe, change, error, message):
    with pytest.raises(error, match=message):
        recipe.override(change)


def test_data_takes_steps_and_a_share_or_a_number_for_validation(recipe):
    changed = recipe.override("data.augment=[crop: 4, flip]", "data.preprocess=[gcn: 55, zca]", "data.validation=5000")
    assert changed.data.augment == [{"crop": 4}, "flip"]
    assert changed.data.held_out(60_000) == 5000
    assert recipe.data.held_out(280) == 70
    assert recipe.override("data.name=mnist").data.shape == (1, 28, 28)
    assert recipe.override("data.name=folder", "data.size=64").data.shape == (3, 64, 64)
    assert Recipe.parse(changed.yaml(), name="other", origin="text") == changed


def test_the_authors_validation_pictures_are_those_of_svhn_alone(recipe, data):
    with pytest.raises(
        OptionError, match=r"data.balanced is 'authors'. Expected split: train\+extra and validation: 6000"
    ):
        recipe.override("data.balanced=authors")
    theirs = Recipe.load("svhn-convnet")
    assert theirs.data.balanced == Recipe.load("svhn-convnet-shift").data.balanced == "authors"
    with pytest.raises(OptionError, match="corners has 280 pictures here"):
        theirs.data.parts(data[0])
    assert [len(part) for part in recipe.data.parts(data[0])] == [210, 70]


def test_a_small_set_is_trained_for_more_epochs(recipe):
    changed = recipe.override("min_steps=100", "batch_size=20", "epochs=3")
    assert changed.for_pictures(1000).epochs == 3  # 50 steps each
    assert changed.for_pictures(210).epochs == 10  # 10 steps each
    assert changed.for_pictures(199).epochs == 12  # 9 steps each


def test_unknown_recipe_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No recipe is called 'mnist-dmeo'. Did you mean 'mnist-demo'\?"):
        Recipe.load("mnist-dmeo")


def test_a_file_is_loaded_by_its_path_and_named_after_it(tmp_path, recipe):
    text = recipe.yaml().replace("name: corners\ndescription", "description")
    (tmp_path / "mine.yaml").write_text(text)
    assert Recipe.load(tmp_path / "mine.yaml").name == "mine"


@pytest.mark.parametrize("text", ["", "3", "- a\n- b", "a: [1", "\xff"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match="broken"):
        Recipe.load(path)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"absent\.yaml: cannot be read"):
        Recipe.load(tmp_path / "absent.yaml")


def test_synchronised_batch_norm_is_not_compiled(recipe):
    with pytest.raises(OptionError, match=r"sync_batch_norm is True. Expected false with arithmetic.compile"):
        recipe.override("sync_batch_norm=true", "arithmetic.compile=true")
