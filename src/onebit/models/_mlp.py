"""The multi-layer perceptron of the paper, for pictures of one fixed size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from onebit._errors import OptionError
from onebit.models._activation import Activation, end_block
from onebit.models._catalog import register
from onebit.models._norms import batch_norm_named
from onebit.nn import BinaryLinear, Pixels


class MLP(nn.Sequential):
    """pixels, [dropout, linear, batch norm, sign] for each hidden width, dropout, linear, batch norm.

    uint8 (N, 1, H, W) or (N, inputs) -> real scores (N, classes). The first layer sees pixels, every later one takes
    the sign of its input itself; no layer has float weights. Dropout is the layers' own and acts in training only, so a
    trained network is exactly Pixels -> [linear -> batch norm -> sign] ... -> linear -> batch norm.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        inputs: int,
        classes: int,
        dropout: tuple[float, float],
        activation: str,
        weights: str | None,
        batch_norm: str,
    ) -> None:
        super().__init__(OrderedDict(flatten=nn.Flatten(), pixels=Pixels()))
        active = Activation.named("mlp", activation)
        for depth, width in enumerate((*hidden, classes), start=1):
            last = depth > len(hidden)
            signs, p = (None, dropout[0]) if depth == 1 else (active.quantizer(), dropout[1])
            linear = BinaryLinear(inputs, width, input_quantizer=signs, weight_quantizer=weights, input_dropout=p)
            block = OrderedDict[str, nn.Module](linear=linear)
            norm = batch_norm_named(batch_norm, width, last=last)
            self.add_module("output" if last else f"hidden{depth}", end_block(block, norm, None if last else active))
            inputs = width

    def forward(self, x: Tensor) -> Tensor:
        """Uint8 (N, ...) -> (N, classes)."""
        for step in self:
            x = step(x)
        return x


@register("mlp")
def mlp(
    hidden: Sequence[int] = (4096, 4096, 4096),
    inputs: int = 784,
    classes: int = 10,
    dropout: tuple[float, float] = (0.2, 0.5),
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> MLP:
    """The paper's network for MNIST (arXiv:1602.02830): three hidden layers of 4096, 36.8 million weights.

    hidden: width of each hidden layer.  inputs: pixels per picture.  classes: outputs.
    dropout: probability at the pixels, and after every hidden layer.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    batch_norm: "vanilla" (torch's), "theano" (the authors' first code), "shift" (shift-based; the last one vanilla).
    """
    _check(hidden, inputs, classes, dropout)
    return MLP(hidden, inputs, classes, dropout, activation, weights, batch_norm)


@register("mlp-small")
def mlp_small(
    hidden: Sequence[int] = (1024, 1024),
    inputs: int = 784,
    classes: int = 10,
    dropout: tuple[float, float] = (0.0, 0.0),
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> MLP:
    """A smaller sibling that trains in a minute on two CPU cores; options as in `mlp`."""
    return mlp(hidden, inputs, classes, dropout, activation, weights, batch_norm)


def _check(hidden: Sequence[int], inputs: int, classes: int, dropout: tuple[float, float]) -> None:
    widths = (inputs, *hidden, classes)
    if any(type(width) is not int or width < 1 for width in widths):
        raise OptionError(f"mlp: inputs, hidden and classes are {widths}. Expected positive whole numbers.")
    if len(dropout) != 2 or not all(0 <= p < 1 for p in dropout):
        raise OptionError(f"mlp: dropout is {dropout!r}. Expected two probabilities in [0, 1): pixels, hidden layers.")
