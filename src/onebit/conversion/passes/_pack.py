"""Signs of floats: what stands in front of a pack vanishes in its thresholds, and maps are packed where they lie."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, fx

from onebit.conversion._channels import chain_behind
from onebit.conversion._float_thresholds import FloatFunction, find_float_thresholds
from onebit.conversion._graph import (
    PACK,
    PACK_NCHW,
    PACK_NCHW_THRESHOLD,
    PACK_THRESHOLD,
    TO_NHWC,
    add_constant,
    args_of,
    aten,
    calls,
    copy_of,
    dtype_of,
    elementwise,
    finished,
    layer_name,
    permutes,
    replace,
    shape_of,
)
from onebit.conversion._moves import sign_source
from onebit.conversion._pixels import BYTES
from onebit.conversion._sums import Sums
from onebit.conversion._thresholds import NotBinary

_CASTS = (aten._to_copy.default, aten.to.dtype)


def fold_packs(module: fx.GraphModule) -> fx.GraphModule:
    """pack(f(x))  becomes  pack_threshold(x), pack(permute(x)) becomes pack_nchw(x), bit for bit.

    f is a chain of nodes that work on each number of a channel alone: a shift (RSign), a scale, batch norm, a clamp,
    the cast of pixels. It is run on floats to find the one where its sign turns (`find_float_thresholds`), so the
    operator compares x itself with that float and no value in between is written. Only what nothing else reads goes in.
    A map (N, C, H, W) is read where it lies, in place of a copy with its channels last.
    """
    module = copy_of(module)
    for pack in module.graph.find_nodes(op="call_function", target=PACK):
        x = pack.args[0]
        is_map = permutes(x, TO_NHWC)
        value = args_of(x)[0] if is_map else x
        if sign_source(value) is None and len(shape_of(value) or ()) == (4 if is_map else 2):
            _fold(module, pack, value, is_map)
    return finished(module)


def _fold(module: fx.GraphModule, pack: fx.Node, value: fx.Node, is_map: bool) -> None:
    for source in reversed([*_sources(value)]):
        found = _thresholds(module, source, pack)
        if found is None:
            continue
        name = layer_name(pack)
        with module.graph.inserting_before(pack):
            constants = [
                add_constant(module, f"{name}_{role}", array)
                for role, array in zip(("threshold", "direction"), found, strict=True)
            ]
            operator = PACK_NCHW_THRESHOLD if is_map else PACK_THRESHOLD
            new = module.graph.call_function(operator, (source, *constants))
        replace(pack, new)
        return
    if is_map:
        with module.graph.inserting_before(pack):
            new = module.graph.call_function(PACK_NCHW, (value,))
        replace(pack, new)


def _sources(value: fx.Node) -> Iterator[fx.Node]:
    """The nodes that value is a function of, number by number, the nearest first."""
    while value.op == "call_function" and len(value.users) == 1:
        moving = {source for source in value.all_input_nodes if source.op != "get_attr"}
        if len(moving) != 1 or not (elementwise(value) or calls(value, aten.batch_norm.default, aten.prelu.default)):
            return
        (source,) = moving
        if shape_of(source) != shape_of(value):
            return
        if dtype_of(source) == torch.float32 or (dtype_of(source) in BYTES and calls(value, *_CASTS)):
            yield source
        value = source


def _thresholds(module: fx.GraphModule, source: fx.Node, pack: fx.Node) -> tuple[Tensor, Tensor] | None:
    """threshold and direction of pack as a function of source; None if that is none."""
    chain = chain_behind(module, source, 1)
    if pack not in chain:
        return None
    n = int((shape_of(source) or (0, 0))[1])
    channels = Sums(0, torch.zeros(n, dtype=torch.int64), 1, 1, torch.ones(n), torch.zeros(n), "")  # how many, no more
    try:
        return find_float_thresholds(FloatFunction(module, chain, pack, channels))
    except NotBinary:
        return None
