from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from onebit.runtime import InputSpec, PackedModel


@pytest.fixture
def packed_float_model() -> PackedModel:
    """float32 (N, 70) -> pack -> unpack: the signs."""
    graph = fx.Graph()
    signs = graph.call_function(torch.ops.onebit.pack.default, (graph.placeholder("x"),))
    graph.output(graph.call_function(torch.ops.onebit.unpack.default, (signs, 70)))
    return PackedModel(fx.GraphModule(nn.Module(), graph), InputSpec((None, 70), torch.float32))
