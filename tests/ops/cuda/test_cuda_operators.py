"""Every CUDA operator against the definition, through the whole front, on the software device."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from onebit import bits, ops
from onebit._errors import NativeError, OptionError, ShapeError
from onebit.bits import _reference as reference
from onebit.bits import _reference_s8 as reference_s8
from onebit.bits._reference import Steps
from onebit.ops import _dense_call, _epilogue, _family, _front_door
from onebit.ops import cuda as engine
from onebit.ops.cuda import _operators
from onebit.runtime import PackedModel

HOPPER, AMPERE, TURING, BLACKWELL = (9, 0), (8, 0), (7, 5), (12, 0)
INPUTS = {"dense": _family.WORDS, "dense_u8": _family.PIXELS, "dense_s8": _family.SIGNED_BYTES}
OUTPUTS = {"int32": _epilogue.INT32, "float": _epilogue.FLOAT, "bits": _epilogue.BITS}


def case(
    family: str, output: str, m: int, n: int, k: int, seed: int
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], Tensor]:
    """x, the handle, the channels' arrays, and what the definition says."""
    g = torch.Generator().manual_seed(seed)
    w = bits.pack(torch.randn(n, k, generator=g))
    packed = bits.pack(torch.randn(m, k, generator=g))
    pixels = torch.randint(0, 256, (m, k), generator=g, dtype=torch.uint8)
    given: dict[str, bits.Packed | Tensor] = {"dense": packed, "dense_u8": pixels, "dense_s8": pixels.view(torch.int8)}
    x, home = given[family], reference_s8 if family == "dense_s8" else reference
    define = {kind: getattr(home, f"{family}_{kind}") for kind in OUTPUTS}
    channels: tuple[Tensor, ...] = ()
    if output == "float":
        channels = (torch.randn(n, generator=g), torch.randn(n, generator=g))
    if output == "bits":  # thresholds that occur as sums, so that ties are common; then constant channels
        y = define["int32"](x, w)
        threshold = y[torch.randint(0, m, (n,), generator=g), torch.arange(n)].clone()
        direction = (torch.randint(0, 2, (n,), generator=g) * 2 - 1).to(torch.int8)
        threshold[:2], direction[:2] = torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32)[: min(2, n)], 1
        channels = (threshold, direction)
    expected = define[output](x, w, *channels)
    handle = ops.pack_weights(w.words, k)
    return x.words if isinstance(x, bits.Packed) else x, handle, channels, getattr(expected, "words", expected)


def agrees(family: str, output: str, m: int, n: int, k: int, kernel: str | None, seed: int = 0) -> None:
    x, handle, channels, expected = case(family, output, m, n, k, seed)
    op = _dense_call.Dense(f"{family}_{output}", INPUTS[family], OUTPUTS[output])
    got = _operators.dense(op, x, handle, n, k, *channels, force=kernel)
    assert got.dtype == expected.dtype
    assert torch.equal(got, expected)


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (5, 130, 200), (131, 70, 1000), (257, 66, 65)])
def test_mma_sync_is_the_definition_at_awkward_sizes(software_gpu: Callable, m: int, n: int, k: int) -> None:
    device = software_gpu(AMPERE)
    agrees("dense", "bits", m, n, k, "mma")
    assert "onebit_dense_mma" in {name for name, _ in device.launched}


@pytest.mark.parametrize(
    ("capability", "output"),
    [(AMPERE, "float"), (TURING, "bits"), (HOPPER, "bits"), (BLACKWELL, "bits"), (HOPPER, "int32")],
)
def test_every_form_of_the_product_is_the_definition(software_gpu: Callable, capability: tuple, output: str) -> None:
    software_gpu(capability)
    agrees("dense", output, 131, 70, 1000, "mma")


@pytest.mark.parametrize(
    ("kernel", "output", "m", "n", "k"),
    [
        ("128x64", "bits", 300, 130, 2900),
        ("128x64", "float", 200, 70, 1024),
        ("192x256-pair", "bits", 500, 300, 2000),
        ("256x192", "int32", 300, 200, 1500),
        ("128x192-turns-pair", "bits", 1000, 260, 1500),
    ],
)
def test_wgmma_is_the_definition(software_gpu: Callable, kernel: str, output: str, m: int, n: int, k: int) -> None:
    device = software_gpu(HOPPER)
    for seed in range(2):
        agrees("dense", output, m, n, k, kernel, seed)
    assert [name for name, _ in device.launched].count("onebit_dense_wgmma") == 2


@pytest.mark.parametrize(
    ("capability", "kernel", "k"),
    [(HOPPER, "128x64", 784), (AMPERE, "mma", 783), (AMPERE, "mma", 100), (TURING, "mma", 784)],
)
@pytest.mark.parametrize("family", ["dense_u8", "dense_s8"])
def test_bytes_are_multiplied_as_bytes(
    software_gpu: Callable, family: str, capability: tuple[int, int], kernel: str, k: int
) -> None:
    device = software_gpu(capability)
    agrees(family, "bits", 140, 70, k, kernel)
    assert "onebit_row_sums" not in {name for name, _ in device.launched}  # bytes need no popcounts


@pytest.mark.parametrize("output", ["bits", "int32"])
def test_few_rows_are_counted_on_the_cuda_cores(software_gpu: Callable, output: str) -> None:
    device = software_gpu(HOPPER)
    for m, n, k in ((1, 1, 1), (1, 130, 64), (5, 64, 4000), (9, 70, 65)):
        agrees("dense", output, m, n, k, None)
    assert {name for name, _ in device.launched} == {"onebit_dense_popc", "onebit_row_sums"}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    ("capability", "kernel", "k"),
    [(AMPERE, "mma/3", 3500), (TURING, "mma/2", 1500), (HOPPER, "mma/4", 3500), (BLACKWELL, "mma/3", 3500),
     (HOPPER, "128x64/3", 6016), (HOPPER, "128x64/2", 1920)],
)  # fmt: skip
def test_parts_of_k_add_up(
    software_gpu: Callable, capability: tuple[int, int], kernel: str, k: int, output: str
) -> None:
    device = software_gpu(capability)
    agrees("dense", output, 70, 67, k, kernel)
    assert device.launched[-1][0] == "onebit_finish"


@pytest.mark.parametrize("kernel", ["mma/3", "128x64/2", "128x256/2"])
def test_parts_of_bytes_add_up(software_gpu: Callable, kernel: str) -> None:
    software_gpu(HOPPER)
    for family in ("dense_u8", "dense_s8"):
        agrees(family, "bits", 140, 70, 784, kernel)


def test_a_long_k_is_cut_by_itself(software_gpu: Callable) -> None:
    device = software_gpu(AMPERE, processors=40)
    agrees("dense", "bits", 20, 70, 16000, None)
    assert [name for name, _ in device.launched][-2:] == ["onebit_dense_mma", "onebit_finish"]


def test_pack_and_unpack_are_inverse_and_those_of_the_cpu(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    for rows, k in ((1, 1), (3, 63), (2, 64), (5, 129), (70, 300)):
        x = torch.randn(rows, k, generator=torch.Generator().manual_seed(k))
        x.view(-1)[::5], x.view(-1)[1::7] = -0.0, float("nan")
        words = _operators.pack("pack", x)
        assert torch.equal(words, ops.pack(x))
        assert torch.equal(_operators.unpack(words, k), ops.unpack(words, k))


def test_leading_dimensions_are_kept(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    x, handle, _, expected = case("dense", "int32", 6, 7, 70, 0)
    op = _dense_call.Dense("dense_int32", _family.WORDS, _epilogue.INT32)
    assert torch.equal(engine.dense(op, x.view(2, 3, -1), handle, 7, 70), expected.view(2, 3, 7))
    assert engine.dense(op, x[:0], handle, 7, 70).shape == (0, 7)


def test_a_foreign_handle_or_device_is_refused(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    x, handle, _, _ = case("dense", "int32", 6, 7, 70, 0)
    op = _dense_call.Dense("dense_int32", _family.WORDS, _epilogue.INT32)
    with pytest.raises(NativeError, match="no handle"):
        engine.dense(op, x, torch.zeros_like(handle), 7, 70)
    with pytest.raises(OptionError, match="weights is on meta"):
        engine.dense(op, x, handle.to("meta"), 7, 70)
    with pytest.raises(ShapeError):
        engine.dense(op, x[:, :1], handle, 7, 70)


@pytest.mark.parametrize("family", INPUTS)
def test_a_second_kernel_makes_what_the_first_cannot(software_gpu: Callable, family: str) -> None:
    device = software_gpu(AMPERE)
    x, handle, (scale, bias), y = case(family, "float", 21, 70, 130, 3)
    steps = Steps((bias,), y.flip(0).contiguous(), True)
    expected = steps.after(y)
    direction = torch.where(bias > 0, 1, -1).to(torch.int8)
    given = (scale, bias, list(steps.activation), [steps.residual], True)
    fused, both = (next(op for op in _operators.DENSE if op.op == f"{family}_{kind}") for kind in ("fused", "both"))
    assert torch.equal(_operators.dense(fused, x, handle, 70, 130, *given), expected)
    assert torch.equal(_operators.dense(fused, x, handle, 70, 130, *given, force="mma/1"), expected)
    if family != "dense":  # bits have one step here
        assert torch.equal(_operators.dense(fused, x, handle, 70, 130, *given, force="mma/2"), expected)
    floats, words = _operators.dense(both, x, handle, 70, 130, *given, scale, direction)
    assert torch.equal(floats, expected)
    negative = torch.where(direction > 0, expected < scale, expected > scale)
    assert torch.equal(words, bits.pack(torch.where(negative, -1.0, 1.0)).words)
    assert device.launched[-1][0] == "onebit_finish"


def test_every_operator_has_a_cuda_kernel() -> None:
    steps_elsewhere = {"network"}  # one call of the CPU for a chain; tensors on a GPU go through its operators
    assert set(_operators.OPERATORS) == set(_front_door._fallbacks) - steps_elsewhere
    for name in _operators.OPERATORS:
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"onebit::{name}", "CUDA")


def test_an_operator_without_a_kernel_says_so() -> None:
    with pytest.raises(OptionError, match="nothing has no kernel for CUDA tensors"):
        _front_door._on_cuda("nothing")


def test_the_first_cuda_tensor_finds_its_kernel(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    x, handle, _, expected = case("dense", "int32", 6, 7, 70, 0)
    assert torch.equal(_front_door._on_cuda("dense_int32", x, handle, 7, 70), expected)


def test_a_packed_model_is_traced_for_a_device_that_is_not_here(packed_mlp: Callable[..., PackedModel]) -> None:
    """What torch.compile sees of a model on a GPU: its operators, on tensors that have a device and no memory."""
    model = packed_mlp()
    with FakeTensorMode():
        x = torch.empty(33, 70, dtype=torch.uint8, device="cuda")
        buffers = {
            name: torch.empty(value.shape, dtype=value.dtype, device="cuda") for name, value in model.named_buffers()
        }
        run = make_fx(lambda x: torch.func.functional_call(model, buffers, (x,)))
        nodes = [node for node in run(x).graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in nodes] == [
        f"onebit.dense_{kind}.default" for kind in ("u8_bits", "bits", "float")
    ]
    results = [node.meta["val"] for node in nodes]
    assert {result.device.type for result in results} == {"cuda"}
    assert [tuple(result.shape) for result in results] == [(33, 2), (33, 3), (33, 10)]
