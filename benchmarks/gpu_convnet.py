"""The paper's ConvNet for CIFAR-10 end to end, from bytes to scores: onebit, and torch's own convolutions.

    n x 128C3 - 128C3 - MP2 - 256C3 - 256C3 - MP2 - 512C3 - 512C3 - MP2 - 1024FC - 1024FC - 10, zeros around

All compute the same function of the same random weights: 2 p - 255 of each pixel, a threshold behind every layer (which
is what batch norm and sign become), pooling in front of it. float32 sums are exact here, so onebit must agree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit import ops

WIDTHS, HIDDEN, CLASSES, SIDE = (128, 128, 256, 256, 512, 512), (1024, 1024), 10, 32
ONCE, RING = (1, 1), (1, 1, 1, 1)


class ConvNet:
    """Random signs and thresholds; the operands of every engine, made once."""

    def __init__(self, batch: int, device: str = "cuda", widths: tuple[int, ...] = WIDTHS) -> None:
        self.widths, self.batch = widths, batch
        self.pixels = torch.randint(0, 256, (batch, SIDE, SIDE, 3), device=device, dtype=torch.uint8)
        kernels = [torch.randn(n, c, 3, 3).sign() for c, n in zip((3, *widths), widths)]  # noqa: B905
        inputs = widths[-1] * (SIDE >> len(widths) // 2) ** 2
        matrices = [torch.randn(n, k).sign() for k, n in zip((inputs, *HIDDEN), (*HIDDEN, CLASSES), strict=True)]
        self.kernels = [k.to(device).contiguous(memory_format=torch.channels_last) for k in kernels]
        self.matrices = [matrix.to(device) for matrix in matrices]
        packed = [ops.pack(k.permute(0, 2, 3, 1).contiguous()) for k in kernels]
        self.handles = [ops.pack_conv_weights(w, k.shape[1], 1, (3, 3)).to(device) for w, k in zip(packed, kernels)]  # noqa: B905
        self.dense_handles = [ops.pack_weights(ops.pack(m), m.shape[1]).to(device) for m in matrices]
        spreads = [3000, *(40 for _ in widths[1:]), *(40 for _ in HIDDEN)]
        counts = (*widths, *HIDDEN)
        self.thresholds = [
            torch.randint(-spread, spread, (n,), dtype=torch.int32).to(device)
            for spread, n in zip(spreads, counts, strict=True)
        ]
        self.up = torch.ones(max(counts), dtype=torch.int8, device=device)
        self.scale, self.bias = torch.full((CLASSES,), 0.125, device=device), torch.ones(CLASSES, device=device)
        self.maximum = torch.zeros(max(widths) // 64, dtype=torch.int64, device=device)

    @property
    def operations(self) -> float:
        """Of one forward, 2 for a multiply-accumulate."""
        total, side = 0.0, SIDE
        for depth, kernel in enumerate(self.kernels):
            total += kernel.numel() * side * side
            side >>= depth % 2
        return 2.0 * self.batch * (total + sum(matrix.numel() for matrix in self.matrices))

    def onebit(self) -> Tensor:
        """Bits from layer to layer."""
        call, x = torch.ops.onebit, self.pixels
        for depth, n in enumerate(self.widths):
            c = (3, *self.widths)[depth]
            sizes = (n, c, (3, 3), ONCE, RING, ONCE, 1, 0)
            channels = (self.thresholds[depth], self.up[:n])
            if depth:
                x = call.conv2d_bits(x, self.handles[depth], *sizes, *channels)
            else:
                x = call.conv2d_u8_bits(x, self.handles[depth], *sizes, 2, -255, *channels)
            if depth % 2:
                x = call.max_pool2d(x, n, (2, 2), (2, 2), (0, 0, 0, 0), self.maximum[: n // 64])
        x = x.flatten(1)
        for depth, matrix in enumerate(self.matrices[:-1]):
            n, k = matrix.shape
            threshold = self.thresholds[len(self.widths) + depth]
            x = call.dense_bits(x, self.dense_handles[depth], n, k, threshold, self.up[:n])
        n, k = self.matrices[-1].shape
        return call.dense_float(x, self.dense_handles[-1], n, k, self.scale, self.bias)

    def floats(self, dtype: torch.dtype) -> Callable[[], Tensor]:
        """The same by torch's convolutions, channels last."""
        kernels = [k.to(dtype) for k in self.kernels]
        matrices = [m.to(dtype) for m in self.matrices]
        thresholds = [t.to(dtype) for t in self.thresholds]
        pixels, scale, bias, depths = self.pixels, self.scale, self.bias, len(self.widths)

        def forward() -> Tensor:
            x = (2 * pixels.to(dtype) - 255).permute(0, 3, 1, 2)
            for depth in range(depths):
                x = F.conv2d(x, kernels[depth], padding=1)
                x = F.max_pool2d(x, 2) if depth % 2 else x
                x = torch.where(x >= thresholds[depth][:, None, None], 1.0, -1.0).to(dtype)
            x = x.permute(0, 2, 3, 1).flatten(1)
            for depth, matrix in enumerate(matrices[:-1]):
                x = torch.where(x @ matrix.t() >= thresholds[depths + depth], 1.0, -1.0).to(dtype)
            return (x @ matrices[-1].t()).float() * scale + bias

        return forward
