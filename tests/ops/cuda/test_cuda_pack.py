"""pack on the software device against the definition: every dtype, both orders, with thresholds and without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from onebit import bits
from onebit._errors import DtypeError, OptionError
from onebit.ops.cuda._pack import pack

AMPERE = (8, 0)
HALVES = (torch.float16, torch.bfloat16)
SPECIAL = [0.0, -0.0, float("nan"), -float("nan"), float("inf"), -float("inf"), 1e-7, -1e-7, 1e-40, -1e-40, 3e4, -7.0]


def numbers(shape: tuple[int, ...], dtype: torch.dtype, g: torch.Generator) -> Tensor:
    """Numbers of any sign, among floats those where signs go wrong: zeros, NaN, infinities, subnormal ones."""
    if not dtype.is_floating_point:
        return torch.randint(0, 256, shape, generator=g, dtype=torch.uint8).view(dtype)
    x = torch.randn(shape, generator=g).flatten()
    x[::3] = torch.tensor(SPECIAL)[torch.randint(0, len(SPECIAL), (len(x[::3]),), generator=g)]
    return x.view(shape).to(dtype)


def thresholds(x: Tensor, axis: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Values that occur in x, so that ties are common, and special ones; directions of both kinds."""
    c = x.shape[axis]
    threshold = x.movedim(axis, -1).reshape(-1, c)[0].float().clone()
    threshold[3::5] = torch.tensor(SPECIAL)[torch.randint(0, len(SPECIAL), (len(threshold[3::5]),), generator=g)]
    return threshold, (torch.randint(0, 2, (c,), generator=g) * 2 - 1).to(torch.int8)


def name(axis: int, compared: bool) -> str:
    return f"pack{'_nchw' if axis == 1 else ''}{'_threshold' if compared else ''}"


def agrees(x: Tensor, axis: int, *channels: Tensor) -> None:
    expected = bits.pack(x, axis=axis, threshold=channels[0] if channels else None,
                         direction=channels[1] if channels else None).words  # fmt: skip
    assert torch.equal(pack(name(axis, bool(channels)), x, *channels), expected)


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES, torch.uint8, torch.int8], ids=str)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((1, 1), -1), ((3, 2, 130), -1), ((70, 64), -1), ((2, 63, 5), 1), ((1, 130, 3, 11), 1), ((3, 64, 1, 1), 1),
     ((2, 5, 2), 1)],
)  # fmt: skip
def test_every_dtype_is_packed_in_either_order(
    software_gpu: Callable, dtype: torch.dtype, shape: tuple[int, ...], axis: int
) -> None:
    software_gpu(AMPERE)
    g = torch.Generator().manual_seed(sum(shape))
    x = numbers(shape, dtype, g)
    if dtype != torch.uint8:
        agrees(x, axis)
    agrees(x, axis, *thresholds(x, axis, g))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_16_bit_float_has_the_sign_and_the_order_of_its_value(software_gpu: Callable, dtype: torch.dtype) -> None:
    software_gpu(AMPERE)
    x = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype).view(512, 128)
    agrees(x, -1)
    threshold = x[torch.arange(128) * 4, torch.arange(128)].float()  # of every exponent, and ties
    threshold[:12] = torch.tensor(SPECIAL)
    agrees(x, -1, threshold, torch.tensor([1, -1], dtype=torch.int8).repeat(64))


@pytest.mark.parametrize(("shape", "axis"), [((2200, 1), -1), ((1, 1, 8200), 1)])
def test_threads_go_on_to_what_a_grid_does_not_reach(software_gpu: Callable, shape: tuple[int, ...], axis: int) -> None:
    device = software_gpu(AMPERE, processors=1)
    agrees(torch.randn(shape, generator=torch.Generator().manual_seed(0)), axis)
    assert device.launched[-1][1][0] == 32  # blocks


@pytest.mark.parametrize("axis", [-1, 1])
def test_x_is_read_where_and_as_it_lies(software_gpu: Callable, monkeypatch: pytest.MonkeyPatch, axis: int) -> None:
    """No copy in another order or dtype: the kernel is chosen by how memory holds the channels."""
    device = software_gpu(AMPERE)
    x = torch.randn(2, 70, 5, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    first, last = x.contiguous(), x.contiguous(memory_format=torch.channels_last)
    given = [(each if axis == 1 else each.permute(0, 2, 3, 1)) for each in (first, last)]
    expected = [bits.pack(each, axis=axis).words for each in given]
    monkeypatch.setattr(torch.Tensor, "float", None)
    monkeypatch.setattr(torch.Tensor, "clone", None)
    for each, words in zip(given, expected, strict=True):
        assert torch.equal(pack(name(axis, False), each), words)
    assert [function for function, _ in device.launched] == ["onebit_pack_first", "onebit_pack"]


def test_any_start_and_stride_will_do(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    x = numbers((3, 9, 70), torch.float16, torch.Generator().manual_seed(0))
    for part in (x[:, 1:, 1:], x[1:, ::2], x.flatten()[1:641].view(5, 2, 64), x[:0]):
        for axis in (-1, 1):
            agrees(part, axis)


def test_what_pack_refuses_is_refused_here(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    with pytest.raises(DtypeError, match=r"torch\.float64"):
        pack("pack", torch.zeros(2, 3, dtype=torch.float64))
    with pytest.raises(DtypeError, match="give a threshold"):
        pack("pack", torch.zeros(2, 3, dtype=torch.uint8))
    with pytest.raises(OptionError, match="direction is on meta"):
        pack("pack_threshold", torch.zeros(2, 3), torch.zeros(3), torch.ones(3, dtype=torch.int8, device="meta"))
