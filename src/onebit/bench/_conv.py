"""The convolution of a residual network: 3 x 3, stride 1, as many channels out as in, padded with 0, bits to bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit import ops
from onebit.bench._workload import Workload, signs


def conv(batch: int, channels: int, size: int) -> Workload:
    """`conv2d_bits` of (batch, size, size, channels); the peers compute the sums and leave the sign out."""
    x, w = signs(batch, channels, size, size, seed=0), signs(channels, channels, 3, 3, seed=1)
    words = ops.pack(x.permute(0, 2, 3, 1).contiguous())
    handle = ops.pack_conv_weights(ops.pack(w.permute(0, 2, 3, 1).contiguous()), channels, 1, [3, 3])
    threshold = torch.zeros(channels, dtype=torch.int32)
    direction = torch.ones(channels, dtype=torch.int8)
    layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False, device="meta")
    layer.weight = nn.Parameter(w, requires_grad=False)
    network = nn.Sequential(layer)

    def run() -> Tensor:
        sizes = ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1])
        return ops.conv2d_bits(words, handle, channels, channels, *sizes, 1, 0, threshold, direction)

    def check() -> bool:
        expected = torch.where(network(x) < 0, -1.0, 1.0).permute(0, 2, 3, 1)
        return torch.equal(ops.unpack(run(), channels), expected)

    macs = batch * size * size * channels * channels * 9
    return Workload("conv2d_bits", (batch, channels, size), macs, ("conv2d",), run, network, x, check)
