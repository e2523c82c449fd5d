"""LayerChecker: one layer of a packed graph on the float network's own inputs, against the captured nodes."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, fx

from onebit.conversion._graph import POOL, TO_NCHW, TO_NHWC, calls
from onebit.conversion._layer import Layer
from onebit.conversion._report import LayerCheck
from onebit.conversion._windows import pad_before

# Arguments from the weights to the epilogue.
_SIZES = {"dense": 3, "dense_u8": 3, "dense_s8": 3, "conv2d": 9, "conv2d_u8": 11, "conv2d_s8": 11}


def terms(node: fx.Node) -> tuple[int, int]:
    """(n, k) of a dense or conv2d node: output channels and terms of each sum."""
    n, c, kernel = node.args[2:5]
    if "conv2d" not in str(node.target):
        return n, c  # type: ignore[return-value]
    return n, kernel[0] * kernel[1] * (c // node.args[8])  # type: ignore[index, operator, return-value]


class LayerChecker:
    """Compares one binary node of the packed graph, with the pools behind it, with the nodes it stands for."""

    def __init__(self, layer: Layer, node: fx.Node, packed: fx.GraphModule, by_name: dict[str, fx.Node]) -> None:
        self.layer, self.node, self.packed = layer, node, packed
        self.input, self.result = _operand(layer, by_name).name, layer.result.removeprefix("-")
        self.signs = layer.signs.removeprefix("-")
        names = (self.input, layer.sums.linear, self.result, layer.residual, self.signs)
        self.captured = {name for name in names if name}
        self.constants = self._constants(node)
        operator = str(node.target).split(".")[1]
        self.family, _, self.kind = operator.rpartition("_")
        self.is_map = self.family.startswith("conv2d")
        self.check = LayerCheck(layer.name, operator, layer.sums.n, terms(node)[1], layer.sums.exact)
        self.pools = _pools_behind(node, layer.pools)

    def add(self, values: dict[str, Any], packed_values: dict[str, Any]) -> Tensor:
        """Counts one batch; returns which examples differ in a bit of a layer where the float model rounds."""
        x = packed_values[str(self.node.args[0])] if self.layer.sums.pixels else self._words(values[self.input])
        last = _SIZES[self.family]  # behind them are threshold and direction, or scale and bias
        y = getattr(torch.ops.onebit, f"{self.family}_int32")(x, *self.constants[:last])
        self._count_sums(y, values[self.layer.sums.linear])
        if not self.result:
            return torch.zeros(len(x), dtype=torch.bool)
        if self.kind in ("fused", "both"):
            return self._add_steps(x, values)
        output = self.node.target(x, *self.constants)  # type: ignore[operator]
        for pool in self.pools:
            output = pool.target(output, *self._constants(pool, 1))  # type: ignore[operator]
        differs = self._differs(output, values[self.result])
        self.check.bits += differs.numel()
        self.check.bits_unequal += int(differs.sum())
        if self.kind == "bits" and not self.pools and bool(differs.any()):
            away = (y - self.constants[last]).abs()[differs]
            self.check.margin = max(self.check.margin, int(away.max()))
        rounded = differs if not self.check.exact else torch.zeros_like(differs)
        return rounded.flatten(1).any(1)

    def _add_steps(self, x: Tensor, values: dict[str, Any]) -> Tensor:
        """The same for floats behind steps, given the float network's residual, and for their signs."""
        constants = list(self.constants)
        if self.layer.residual:
            added = values[self.layer.residual]
            constants[_SIZES[self.family] + 3] = [added.permute(TO_NHWC) if self.is_map else added]
        output = self.node.target(x, *constants)  # type: ignore[operator]
        floats, words = output if self.kind == "both" else (output, None)
        differs = self._differs(floats, values[self.result])
        self.check.bits += differs.numel()
        self.check.bits_unequal += int(differs.sum())
        flipped = torch.zeros_like(differs)
        if words is not None and self.signs:
            sign = torch.where(values[self.signs] < 0, -1.0, 1.0) * (-1 if self.layer.signs.startswith("-") else 1)
            sign = sign.reshape(values[self.result].shape).permute(TO_NHWC) if self.is_map else sign
            flipped = torch.ops.onebit.unpack(words, self.layer.sums.n) != sign
            far = (floats - constants[-2]).abs() > self._room(floats)
            self.check.bits += flipped.numel()
            self.check.bits_unequal += int((flipped & far).sum())
        return (differs | flipped).flatten(1).any(1)

    def _room(self, expected: Tensor) -> float:
        """How far the floats may be from the float network's: what batch norm's rounding makes of the sums, and the
        rounding of each step, which is another one then.
        """
        if not self.layer.tolerance and self.check.exact:
            return 0.0
        finite = expected.abs().nan_to_num(0.0, 0.0)
        largest = float(finite.max()) if expected.numel() else 0.0
        slack = 2.0**-21 if self.check.exact else 1e-3
        activation = self.constants[_SIZES[self.family] + 2] if self.kind in ("fused", "both") else []
        slope = float(activation[0].abs().max()) if len(activation) == 1 else 1.0
        return (self.layer.tolerance + slack * largest) * max(1.0, slope)

    def _constants(self, node: fx.Node, start: int = 1) -> list[Any]:
        buffers = dict(self.packed.named_buffers())
        return list(fx.node.map_arg(node.args[start:], lambda arg: buffers.get(str(arg.target))))

    def _words(self, signs: Tensor) -> Tensor:
        """The captured signs packed as the layer takes them."""
        sums = self.layer.sums
        signs = -signs if sums.negated else signs
        if self.is_map:
            signs = signs.permute(TO_NHWC)
        if sums.columns is not None:
            row = signs.new_ones(len(signs), sums.k)
            row[:, sums.columns] = signs
            signs = row
        return cast(Tensor, torch.ops.onebit.pack(signs.contiguous()))

    def _count_sums(self, y: Tensor, expected: Tensor) -> None:
        sums = self.layer.sums
        got = y.float() * sums.scale + sums.bias
        got = got.permute(TO_NCHW) if self.is_map else got
        self.check.sums += y.numel()
        self.check.sums_unequal += int((got != expected).sum())
        if y.numel():
            self.check.error = max(self.check.error, float((got - expected).abs().max()))

    def _differs(self, output: Tensor, expected: Tensor) -> Tensor:
        """Where the layer's output is another than the captured one, in the order of the layer's own output."""
        numbers = torch.ops.onebit.unpack(output, self.layer.sums.n) if self.kind == "bits" else output
        if self.is_map:  # the captured value may be flattened already, in the order of NCHW
            batch, height, width, n = numbers.shape
            expected = expected.reshape(batch, n, height, width).permute(TO_NHWC)
        if self.kind == "bits":
            sign = torch.where(expected < 0, -1.0, 1.0)
            return cast(Tensor, numbers != (-sign if self.layer.result.startswith("-") else sign))
        error = (numbers - expected).abs()
        self.check.error = max(self.check.error, float(error.max()) if error.numel() else 0.0)
        if self.kind in ("fused", "both"):
            return ~(error <= self._room(expected))
        slack = 0.0 if self.check.exact else 1e-3 * float(expected.abs().max() if expected.numel() else 0.0)
        return ~(error <= self.layer.tolerance + slack)


def _operand(layer: Layer, by_name: dict[str, fx.Node]) -> fx.Node:
    """The captured node that the layer's packed input stands for: in front of a constant pad, if there is one."""
    product = by_name[layer.sums.linear]
    found = product.args[1 if "addmm" in str(product.target) else 0]
    while layer.sums.padded:
        pad = pad_before(found)
        if pad is not None:
            return pad[0]
        found = found.args[0]  # type: ignore[union-attr]
    return cast(fx.Node, found)


def _pools_behind(node: fx.Node, count: int) -> list[fx.Node]:
    """The `count` pools that belong to the layer; each is the only reader of what is before it."""
    pools: list[fx.Node] = []
    while len(pools) < count:
        node = next(user for user in node.users if calls(user, POOL))
        pools.append(node)
    return pools
