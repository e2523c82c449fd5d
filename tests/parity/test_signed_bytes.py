"""Networks on int8 values, pictures, sequences and rows: converted, proved, written, read back, run anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from onebit import convert, load, verify
from onebit._errors import DtypeError
from onebit.nn import BinaryConv1d, BinaryConv2d, BinaryLinear
from onebit.runtime import OrtSession


class Moved(nn.Module):
    """slope * p + offset of bytes p, as floats."""

    def __init__(self, slope: float, offset: float) -> None:
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, x: Tensor) -> Tensor:
        return x.float() * self.slope + self.offset


class Residual(nn.Module):
    """A first layer whose floats go on beside their signs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (
            BinaryConv2d(3, 40, 3, padding=1),
            BinaryConv2d(40, 40, 3, padding=1, input_quantizer="sign"),
        )
        self.norms, self.act = nn.ModuleList(nn.BatchNorm2d(40) for _ in range(2)), nn.PReLU(40)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norms[0](self.one(x)))
        return (x + self.norms[1](self.two(x))).mean((2, 3))


def signed(shape: tuple[int, ...]) -> Tensor:
    """Random bytes, and the two of the largest size."""
    x = torch.randint(-128, 128, shape, generator=torch.Generator().manual_seed(0)).to(torch.int8)
    x[0], x[1] = -128, 127
    return x


PICTURES, SEQUENCES, ROWS = signed((40, 3, 10, 10)), signed((40, 3, 20)), signed((40, 77))
NETS: dict[str, tuple[Tensor, str, Callable[[], list[nn.Module]]]] = {
    "pictures": (PICTURES, "conv2d_s8_bits", lambda: [
        BinaryConv2d(3, 70, 3, padding=1), nn.BatchNorm2d(70), nn.MaxPool2d(2),
        BinaryConv2d(70, 33, 3, input_quantizer="sign"), nn.BatchNorm2d(33), nn.Flatten(),
        BinaryLinear(33 * 9, 10, input_quantizer="sign"),
    ]),
    "sequences": (SEQUENCES, "conv2d_s8_bits", lambda: [
        BinaryConv1d(3, 66, 5, padding=2), nn.BatchNorm1d(66), nn.MaxPool1d(2), nn.Flatten(),
        BinaryLinear(660, 10, input_quantizer="sign"),
    ]),
    "rows": (ROWS, "dense_s8_bits", lambda: [
        BinaryLinear(77, 65), nn.BatchNorm1d(65), BinaryLinear(65, 10, input_quantizer="sign"),
    ]),
    "residual": (PICTURES, "conv2d_s8_both", lambda: [Residual()]),
}  # fmt: skip


def trained(net: nn.Module, x: Tensor) -> nn.Module:
    net.train()(x)
    generator = torch.Generator().manual_seed(2)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.weight.data = torch.randn(module.num_features, generator=generator)
            module.bias.data = torch.randn(module.num_features, generator=generator)
    return net.eval()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("slope", "offset"), [(1, 0), (2, 1), (-3, 7)])
def test_a_network_on_signed_bytes_keeps_every_number_everywhere(
    name: str, slope: int, offset: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    x, first, layers = NETS[name]
    net = trained(nn.Sequential(Moved(slope, offset), *layers()), x)
    packed = convert(net, x[:8])
    assert first in [layer.operator for layer in packed.layers() if layer.bits_in == "s8"]
    report = verify(net, packed, x)
    assert report.ok
    assert report.layers[0].exact
    packed.save(tmp_path / "net.onnx")
    ours, bare = (OrtSession(tmp_path / "net.onnx", native=native) for native in (True, False))
    for run in (packed, load(tmp_path / "net.onnx"), ours, bare):
        torch.testing.assert_close(run(x), net(x), rtol=0, atol=1e-4 if name == "residual" else 0)


@pytest.mark.parametrize("name", ["pictures", "rows"])
@pytest.mark.parametrize(("slope", "offset"), [(1 / 128, 0.0), (1 / 127.5, 1 / 255)])
def test_normalised_bytes_agree_up_to_the_float_model_s_rounding(name: str, slope: float, offset: float) -> None:
    torch.manual_seed(0)
    x, first, layers = NETS[name]
    net = trained(nn.Sequential(Moved(slope, offset), *layers()), x)
    packed = convert(net, x[:8])
    assert packed.layers()[0].operator == first
    assert verify(net, packed, x).ok


def test_pixels_and_signed_bytes_are_not_taken_for_each_other() -> None:
    x, _, layers = NETS["rows"]
    packed = convert(trained(nn.Sequential(Moved(1, 0), *layers()), x), x)
    with pytest.raises(DtypeError, match=r"takes \(N, 77\) int8, got a tensor of torch.uint8. The bytes of one mean"):
        packed(x.view(torch.uint8))
    with pytest.raises(DtypeError, match=r"BinaryLinear: input has dtype torch.int8.* convert keeps the bytes"):
        layers()[0](x)
