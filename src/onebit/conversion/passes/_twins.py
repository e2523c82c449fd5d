"""One product in place of two: a layer of bits and the same layer of floats become one that gives both."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from onebit.conversion._graph import (
    BITS_OF,
    BOTH_OF,
    FUSED_OF,
    add_constant,
    args_of,
    constant,
    copy_of,
    finished,
    replace,
)
from onebit.conversion._layer import Layer, layer_of

_BOTH_FOR = BOTH_OF | {fused: BOTH_OF[kind] for kind, fused in FUSED_OF.items()}
_BITS_FOR = BITS_OF | {fused: BITS_OF[kind] for kind, fused in FUSED_OF.items()}

FloatSigns = tuple[Tensor, Tensor]  # threshold (n,) float32, direction (n,) int8, of the floats' signs


def join_twins(module: fx.GraphModule) -> fx.GraphModule:
    """conv2d_bits(x, W, t, d) beside conv2d_float(x, W) or conv2d_fused(x, W)  becomes  conv2d_both(x, W); likewise
    for dense.

    A shortcut reads the floats that another layer reads the signs of. Both are functions of the same sum y. The float
    f(y) = activation(y * scale + bias) is monotone in y, rounding included, if no slope is negative. So if f differs
    between the last y whose bit is +1 and its neighbour whose bit is -1, then comparing f with its value at the former
    gives the bit for every y; f is run at the two to see it. Where f is the same at both (ReLU has cut it), where a
    residual was added, or where pools lie behind the bits, the two stay apart.
    """
    module = copy_of(module)
    for floats in [node for node in module.graph.nodes if node.target in _BITS_FOR]:
        for bits in [node for node in module.graph.nodes if node.target == _BITS_FOR[floats.target]]:
            if _join(module, floats, bits):
                break
    return finished(module)


def _join(module: fx.GraphModule, floats: fx.Node, bits: fx.Node) -> bool:
    product = bits.args[:-2]
    layer, other = layer_of(floats), layer_of(bits)
    if floats.args[: len(product)] != product or layer is None or other is None or other.pools or not other.result:
        return False
    scale, bias, activation, residual, last = (*args_of(floats)[len(product) :], [], [], False)[:5]
    scale, bias, threshold, direction, *steps = _constants(module, [scale, bias, *bits.args[-2:], *activation])
    signs = None if residual else _float_signs(layer, (scale, bias, steps), threshold, direction)
    if signs is None:
        return False
    first = min(floats, bits)
    with module.graph.inserting_before(first):
        names = [f"{layer.name}_{name}" for name in ("scale", "bias")]
        epilogue = [add_constant(module, n, v) for n, v in zip(names, (scale, bias), strict=True)]
        arrays = [add_constant(module, f"{layer.name}_activation{i}", step) for i, step in enumerate(steps)]
        limits = [
            add_constant(module, f"{layer.name}_{n}", v) for n, v in zip(("threshold", "direction"), signs, strict=True)
        ]
        arguments = (*product, *epilogue, arrays, [], last, *limits)
        both = module.graph.call_function(_BOTH_FOR[floats.target], arguments)
        new = [module.graph.call_function(operator.getitem, (both, i)) for i in (0, 1)]
    note = layer.note if layer.note.endswith("bits of the floats") else f"{layer.note}; then bits of the floats"
    both.meta["layer"] = layer.but(result=layer.result or layer.sums.linear, signs=other.result, note=note)
    replace(floats, new[0])
    replace(bits, new[1])
    return True


def _constants(module: fx.GraphModule, nodes: Sequence[Any]) -> list[Tensor]:
    found = [constant(module, node) for node in nodes]
    return [value for value in found if value is not None]


def _float_signs(
    layer: Layer, epilogue: tuple[Tensor, Tensor, list[Tensor]], threshold: Tensor, direction: Tensor
) -> FloatSigns | None:
    """Thresholds of the floats that give the bits y >= threshold (direction 1) or y <= threshold (-1), or None."""
    sums, steps = layer.sums, epilogue[2]
    if len(steps) == 1 and bool((steps[0] < 0).any()):
        return None
    up, limit = direction > 0, threshold.long() - sums.lowest
    inside = torch.where(up, -(-limit // sums.step), limit // sums.step)  # the last index whose bit is +1
    beyond = inside - torch.where(up, 1, -1)
    always = torch.where(up, inside <= 0, inside >= sums.count - 1)
    never = torch.where(up, inside >= sums.count, inside < 0)
    top = sums.count - 1
    there, beside = (_float(sums.lowest + sums.step * i.clamp(0, top), *epilogue) for i in (inside, beyond))
    ends = (_float(sums.lowest + sums.step * i, *epilogue) for i in (0, top))
    if not all(bool(end.isfinite().all()) for end in ends) or bool((there == beside)[~always & ~never].any()):
        return None
    limits = torch.where(always, -torch.inf, torch.where(never, torch.inf, there))
    return limits, torch.where((there < beside) & ~always & ~never, -1, 1).to(torch.int8)


def _float(y: Tensor, scale: Tensor, bias: Tensor, steps: list[Tensor]) -> Tensor:
    """What the operator's epilogue makes of the sums y (n,)."""
    f = y.float() * scale + bias
    if len(steps) == 1:
        return torch.where(f > 0, f, steps[0] * f)
    return torch.minimum(torch.maximum(f, steps[0]), steps[1]) if steps else f
