"""The float product of native/src/bench/plain_matmul.c: a tiled loop that nobody tuned, as a torch layer."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p

import torch
from torch import Tensor, nn

from onebit._errors import NativeError, ShapeError
from onebit.ops import native
from onebit.ops._library import check, lib, path


def plain_matmul(a: Tensor, b: Tensor) -> Tensor:
    """A (m, k) times b (k, n), float32, on as many threads as torch is set to; ShapeError for other shapes."""
    if not hasattr(lib, "ob_plain_matmul"):
        raise NativeError(f"{path} has no function ob_plain_matmul: older than these sources. Rebuild: `make setup`.")
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or a.dtype != torch.float32 or b.dtype != a.dtype:
        raise ShapeError(
            f"plain_matmul: shapes are {tuple(a.shape)} and {tuple(b.shape)}, of {a.dtype} and {b.dtype}; expected "
            "(m, k) and (k, n) of float32."
        )
    lib.ob_plain_matmul.argtypes = [*[c_int64] * 3, *[c_void_p] * 4]
    lib.ob_plain_matmul.restype = c_int32
    check(lib.ob_set_threads(ctypes.c_int32(native.get_threads())), "plain_matmul")
    a, b = a.contiguous(), b.contiguous()
    c = a.new_empty(a.shape[0], b.shape[1])
    if not len(c):
        return c  # an empty batch has no address
    sizes = a.shape[0], b.shape[1], a.shape[1]
    check(lib.ob_plain_matmul(*sizes, a.data_ptr(), b.data_ptr(), c.data_ptr(), None), "plain_matmul")
    return c


class PlainLinear(nn.Module):
    """y = x w^T + bias, the product by `plain_matmul`; made from a Linear, whose weights are turned round once."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.columns = linear.weight.detach().t().contiguous()
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(m, k) -> (m, n)."""
        y = plain_matmul(x, self.columns)
        return y if self.bias is None else y.add_(self.bias)


def with_plain_products(network: nn.Sequential) -> nn.Sequential:
    """The same network, its Linear layers computed by `plain_matmul`."""
    return nn.Sequential(*(PlainLinear(layer) if isinstance(layer, nn.Linear) else layer for layer in network))
