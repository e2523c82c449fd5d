"""torch's Sequential, in which a convolution on bits does the max pool behind it."""

from __future__ import annotations

from torch import Tensor, nn

from onebit.nn._conv import BinaryConv2d


class Sequential(nn.Sequential):
    """torch.nn.Sequential, with the same results and the same names of parameters.

    Where `use_bits` lets a BinaryConv2d go back in int8 and nn.MaxPool2d(2) follows, both are done by one operator: the
    gradient of the convolution's sums, three quarters of which are zeros behind a pool, is then never written. Layers
    with hooks are called one by one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The layers one after the other."""
        layers, at = list(self), 0
        while at < len(layers):
            layer, behind = layers[at], layers[at + 1] if at + 1 < len(layers) else None
            if type(layer) is BinaryConv2d and _is_pool_of_2(behind) and not _hooked(layer, behind) and layer.pools(x):
                x = layer.pooled(x)
                at += 2
            else:
                x = layer(x)
                at += 1
        return x


def _is_pool_of_2(layer: nn.Module | None) -> bool:
    if type(layer) is not nn.MaxPool2d or layer.ceil_mode or layer.return_indices:
        return False
    plain = layer.padding in (0, (0, 0)) and layer.dilation in (1, (1, 1))
    return plain and layer.kernel_size in (2, (2, 2)) and layer.stride in (2, (2, 2))


def _hooked(*layers: nn.Module | None) -> bool:
    """Whether somebody listens to one of the layers."""
    return any(
        layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
        for layer in layers
        if layer is not None
    )
