"""The handle of weights, put into rows by standard operators as the library itself does it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper

from onebit import bits, ops
from onebit.export._functions import IR_VERSION, OPSET
from onebit.export._unpacking import Body, conv_signs, dense_rows


class WithSizes(Body):
    """A body outside of a function: attributes are constants."""

    def __init__(self, **sizes: int | list[int]) -> None:
        super().__init__()
        self._sizes = sizes

    def attribute(self, attribute: str) -> str:
        return self.constant(np.atleast_1d(self._sizes[attribute]), np.int64)


def run(body: Body, result: str, handle: torch.Tensor, rank: int) -> torch.Tensor:
    body.add("Identity", result, name="y")
    given = helper.make_tensor_value_info("weights", onnx.TensorProto.UINT8, [handle.numel()])
    got = helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [None] * rank)
    graph = helper.make_graph(body.nodes, "rows", [given], [got])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"weights": handle.numpy()})[0])


@pytest.mark.parametrize(("n", "k"), [(1, 1), (8, 64), (9, 65), (130, 200)])
def test_dense_weights_become_their_rows(n, k):
    rows = bits.pack(torch.randn(n, k, generator=torch.Generator().manual_seed(n))).words
    body = WithSizes(n=n, k=k)
    got = run(body, dense_rows(body, body.attribute("k")), ops.pack_weights(rows, k), 2)
    assert torch.equal(got.view(torch.int64), rows)


@pytest.mark.parametrize(("n", "c", "groups"), [(1, 1, 1), (9, 130, 1), (26, 130, 13), (70, 70, 70), (12, 256, 4)])
@pytest.mark.parametrize("kernel", [[1, 1], [2, 3]], ids=str)
def test_weights_of_a_convolution_become_signs_in_torchs_order(n, c, groups, kernel):
    w = torch.randn(n, c // groups, *kernel, generator=torch.Generator().manual_seed(c))
    handle = ops.pack_conv_weights(bits.pack(w.permute(0, 2, 3, 1)).words, c, groups, kernel)
    body = WithSizes(n=n, c=c, groups=groups, kernel=kernel)
    got = run(body, conv_signs(body), handle, 4)
    assert torch.equal(got.int() - 1, torch.where(w < 0, -1, 1).int())
