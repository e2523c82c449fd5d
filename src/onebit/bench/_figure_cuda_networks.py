"""One multilayer perceptron by each kernel of the GPU's figure: the float chain, its products exchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit.bench._cuda_precision import precision
from onebit.bench._figure_device import Share, Shares, Unfit, any_numbers
from onebit.bench._figure_numbers import BASELINE, BLAS, ONEBIT
from onebit.bench._float_chain import Affine, Flat, float_chain
from onebit.bench._workload import Sign
from onebit.runtime import PackedModel


class PaperLinear(nn.Module):
    """y = x w^T + bias by the paper's unoptimised float product; the weights are turned round once."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.columns, self.bias = linear.weight.detach().t().contiguous(), linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(m, k) -> (m, n)."""
        from onebit.ops.cuda import paper_gemm

        return added(paper_gemm(x, self.columns), self.bias)


class XnorLinear(nn.Module):
    """The same by the paper's XNOR product, for x of -1 and +1, which is packed at every call."""

    def __init__(self, linear: nn.Linear) -> None:
        from onebit.ops.cuda import paper_concatenate

        super().__init__()
        self.columns, self.bias = paper_concatenate(linear.weight.detach()).t().contiguous(), linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(m, k) -> (m, n)."""
        from onebit.ops.cuda import paper_concatenate, paper_xnor_gemm

        return added(paper_xnor_gemm(paper_concatenate(x), self.columns, x.shape[1]), self.bias)


class ByteLinear(nn.Module):
    """Sums of bytes by torch._int_mm, exact: y = x w^T + bias in float32 where `last`, else y > 0 as bytes -1 and +1.

    x is int8; of a first layer pixels - 128, whose missing 128 for each weight is made good in the bias.
    """

    def __init__(self, linear: nn.Linear, first: bool, last: bool) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.n, self.last = len(weight), last
        rows = F.pad(weight, (0, -weight.shape[1] % 8, 0, -self.n % 8))  # what cuBLAS wants
        self.columns = rows.to(torch.int8).t()
        self.bias = torch.zeros(self.n, device=weight.device) if linear.bias is None else linear.bias.detach()
        self.bias = self.bias + 128 * weight.sum(1) * first

    def forward(self, x: Tensor) -> Tensor:
        """(m, k) int8 -> (m, n) float32 or int8."""
        x = F.pad(x, (0, len(self.columns) - x.shape[1])) if len(self.columns) != x.shape[1] else x
        y = torch._int_mm(x, self.columns)[:, : self.n]
        if self.last:
            return y + self.bias
        return (y > -self.bias).to(torch.int8).mul_(2).sub_(1)


class Centred(nn.Module):
    """(N, ...) uint8 -> (N, k) int8: p - 128, which is the highest bit turned over."""

    def forward(self, x: Tensor) -> Tensor:
        """One row for each picture."""
        return x.flatten(1).bitwise_xor(128).view(torch.int8)


def added(y: Tensor, bias: Tensor | None) -> Tensor:
    """y + bias, in place."""
    return y if bias is None else y.add_(bias)


def exchanged(chain: nn.Sequential, *kinds: Callable[[nn.Linear], nn.Module]) -> nn.Sequential:
    """The chain with its Linear layers made new: the first by the first kind, all after the last by the last."""
    made, depth = [], 0
    for layer in chain:
        if isinstance(layer, nn.Linear):
            made.append(kinds[min(depth, len(kinds) - 1)](layer))
            depth += 1
        else:
            made.append(layer)
    return nn.Sequential(*made)


def of_bytes(chain: nn.Sequential) -> nn.Sequential:
    """The chain by ByteLinear, which holds the signs of its sums, too."""
    linears = [layer for layer in chain if isinstance(layer, nn.Linear)]
    made = [ByteLinear(layer, layer is linears[0], layer is linears[-1]) for layer in linears]
    return nn.Sequential(Centred(), *made, *(layer for layer in chain if isinstance(layer, Affine)))


def of_halves(chain: nn.Sequential) -> nn.Sequential:
    """The chain in bfloat16, its scores in float32."""
    layers = [layer for layer in chain if isinstance(layer, (nn.Linear, Sign))]
    rest = [layer for layer in chain if isinstance(layer, Affine)]
    return nn.Sequential(Flat(torch.bfloat16), copy.deepcopy(nn.Sequential(*layers)).bfloat16(), *rest)


def network(packed: PackedModel, pictures: Tensor, _whole: bool, device: str = "cuda") -> Shares:
    """A network's scores of all pictures, from bytes on the device; everybody does all of it."""
    chain = float_chain(packed).to(device)
    ours, x, count = copy.deepcopy(packed).to(device), pictures.to(device), len(pictures)

    def by(model: nn.Module, *, tf32: bool = False, exact: bool = True) -> Share:
        def run() -> Tensor:
            with precision(tf32=tf32):
                return model(x)  # type: ignore[no-any-return]

        return Share(run, count, count) if exact else Share(run, count, count, right=any_numbers)

    def float8() -> Share:
        raise Unfit("a pixel from 0 to 255 does not fit into float8")

    return {
        BASELINE: lambda: by(exchanged(chain, PaperLinear)),
        "xnor": lambda: by(exchanged(chain, PaperLinear, XnorLinear)),  # pixels are no bits
        BLAS: lambda: by(chain),
        "tf32": lambda: by(chain, tf32=True),
        "bf16": lambda: by(of_halves(chain), exact=False),
        "int8": lambda: by(of_bytes(chain)),
        "float8": float8,
        ONEBIT: lambda: by(ours),
    }
