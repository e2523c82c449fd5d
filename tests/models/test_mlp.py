import pytest
import torch
from torch import nn as torch_nn

from onebit import models
from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.nn import BinaryLinear, Pixels, binary_layers, latent_weights
from onebit.quantizers import Sign, StochasticSign


def pictures(n, seed=0):
    return torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_the_papers_network_has_its_order_and_size():
    with torch.device("meta"):
        model = models.mlp()
    # modules() lists a layer, then the quantizers of its input and of its weights.
    hidden, later = [BinaryLinear, Sign, torch_nn.BatchNorm1d], [BinaryLinear, Sign, Sign, torch_nn.BatchNorm1d]
    kinds = [type(module) for module in model.modules() if not isinstance(module, torch_nn.Sequential)]
    assert kinds == [torch_nn.Flatten, Pixels, *hidden, *later, *later, *later]
    assert [layer.input_dropout for _, layer in binary_layers(model)] == [0.2, 0.5, 0.5, 0.5]
    leaves = [module for module in model.modules() if not list(module.children())]
    assert {(m.eps, m.momentum) for m in leaves if isinstance(m, torch_nn.BatchNorm1d)} == {(1e-4, 0.1)}
    assert sum(weight.numel() for weight in latent_weights(model)) == 36_806_656


def test_evaluation_is_the_chain_of_the_paper_exactly():
    torch.manual_seed(1)
    model = models.mlp(hidden=(70, 33))
    for _ in range(3):
        model(pictures(20))
    model.eval()
    x = pictures(9)
    with torch.no_grad():
        h = 2 * x.flatten(1).float() - 255
        for name in ("hidden1", "hidden2", "output"):
            block = getattr(model, name)
            h = block.norm(h @ torch.where(block.linear.weight < 0, -1.0, 1.0).T)
            if name != "output":
                h = torch.where(h < 0, -1.0, 1.0)
        assert torch.equal(model(x), h)
        assert torch.equal(model(x.flatten(1)), h)


def test_dropout_acts_in_training_only():
    torch.manual_seed(1)
    model = models.mlp(hidden=(64,))
    x = pictures(4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_exported_graph_holds_no_estimator():
    model = models.mlp(hidden=(16,)).eval()
    program = torch.export.export(model, (pictures(2),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert targets.count("aten.where.Scalar") == 3  # two weights, one activation
    assert not [target for target in targets if "autograd" in target]
    assert torch.equal(program.module()(pictures(5)), model(pictures(5)))


def test_options_choose_quantizers():
    model = models.mlp(hidden=(8,), activation="stochastic-sign", weights=None)
    assert isinstance(model.output.linear.input_quantizer, StochasticSign)
    assert list(latent_weights(model)) == []


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": (0,)},
        {"hidden": (8.0,)},
        {"classes": -1},
        {"dropout": (0.2, 1.0)},
        {"dropout": (0.2,)},
        {"activation": None},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match="mlp: "):
        models.mlp(**options)


def test_wrong_pictures_are_refused_by_the_layer_that_sees_them():
    model = models.mlp(hidden=(8,)).eval()
    with pytest.raises(DtypeError, match="without normalisation"):
        model(torch.rand(2, 1, 28, 28))
    with pytest.raises(ShapeError, match=r"input has shape \(2, 1024\)"):
        model(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
