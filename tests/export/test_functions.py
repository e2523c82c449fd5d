"""The operators' ONNX definitions, run by a stock ONNX Runtime, against the reference: integers, no tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper, numpy_helper

from onebit import bits, ops
from onebit.bits import _reference, _reference_conv, _reference_s8
from onebit.bits._window import Padding, Window
from onebit.export._functions import IR_VERSION, OPSET, functions
from onebit.export._operators import DOMAIN, DOMAIN_VERSION, OPERATORS, Operator

LEVELS = [
    ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
]
DENSE = [operator for operator in OPERATORS if operator.is_dense]
STEPPED = ("DenseFloatAddPreluBits", "DenseU8FloatClampAdd")  # of the many with steps, where one more case adds little
FEW = [operator for operator in DENSE if not operator.has_steps or operator.onnx_name in STEPPED]
ELEMENT = {"int32": onnx.TensorProto.INT32, "float": onnx.TensorProto.FLOAT, "bits": onnx.TensorProto.UINT8}


def as_bytes(packed: bits.Packed) -> np.ndarray:
    return packed.words.numpy().view(np.uint8)


def handle_of(w: bits.Packed, sizes: dict[str, Any]) -> np.ndarray:
    if "k" in sizes:
        return ops.pack_weights(w.words, sizes["k"]).numpy()
    return ops.pack_conv_weights(w.words, sizes["c"], sizes["groups"], sizes["kernel"]).numpy()


def run(op_type: str, x: np.ndarray, constants: dict[str, np.ndarray], element: int, level=LEVELS[-1], **sizes: int):
    return run_all(op_type, x, constants, {"y": element}, level, **sizes)[0]


def run_all(op_type, x, constants, outputs: dict[str, int], level, **sizes) -> list[np.ndarray]:
    node = helper.make_node(op_type, ["x", *constants], [*outputs], domain=DOMAIN, **sizes)
    dims = [f"d{i}" for i in range(x.ndim)]
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), [*dims[:-1], x.shape[-1]])],
        [helper.make_tensor_value_info(name, kind, [*dims[:-1], f"last{name}"]) for name, kind in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, functions=functions({op_type}))
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.graph_optimization_level, options.intra_op_num_threads = level, 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )


def operands(operator: Operator, lead: tuple[int, ...], n: int, k: int):
    generator = torch.Generator().manual_seed(n * 1000 + k)
    w = bits.pack(torch.rand(n, k, generator=generator) - 0.5)
    x: torch.Tensor | bits.Packed = torch.randint(0, 256, (*lead, k), generator=generator, dtype=torch.uint8)
    if operator.is_s8:
        x = x.view(torch.int8)
    if not operator.takes_bytes:
        x = bits.pack(torch.rand(*lead, k, generator=generator) - 0.5)
    threshold = torch.randint(-6, 7, (n,), generator=generator, dtype=torch.int32)
    direction = torch.where(torch.arange(n) % 2 == 0, 1, -1).to(torch.int8)
    threshold[0], threshold[-1] = -(2**31), 2**31 - 1  # constant channels
    channels = {
        "int32": [],
        "float": [torch.randn(n, generator=generator), torch.randn(n, generator=generator)],
        "bits": [threshold, direction],
    }
    return x, w, [] if operator.has_steps else channels[operator.output]


def compare(operator: Operator, x, w, lead: tuple[int, ...], reference, level, meaning=(), **sizes) -> None:
    """The definition of fused and both against the reference; a residual is a constant here."""
    generator = torch.Generator().manual_seed(sizes["n"])
    arrays = {name: 9 * torch.randn(sizes["n"], generator=generator) for name in operator.constants}
    if "low" in arrays:
        arrays["low"][::3], arrays["high"][::2] = 0.0, float("inf")
    if "residual" in arrays:
        arrays["residual"] = 9 * torch.randn(*lead, sizes["n"], generator=generator)
        arrays["residual"].view(-1)[:2] = torch.tensor([float("nan"), -0.0])[: arrays["residual"].numel()]
    if "direction" in arrays:
        arrays["direction"] = torch.where(arrays["direction"] < 0, -1, 1).to(torch.int8)
        arrays["float_threshold"][::2] = 0.0
    last = operator.steps[-1:] == ("add",) and len(operator.steps) > 1
    activation = [arrays[name] for name in ("slope", "low", "high") if name in arrays]
    steps = _reference.Steps(activation, arrays.get("residual"), last)
    signs = [arrays[name] for name in ("float_threshold", "direction") if name in arrays]
    found = getattr(reference, operator.torch_name)(x, w, *meaning, arrays["scale"], arrays["bias"], steps, *signs)
    floats, words = found if operator.output == "both" else (found, None)
    kinds = {"y": onnx.TensorProto.FLOAT} | ({"signs": onnx.TensorProto.UINT8} if words else {})
    constants = {"weights": handle_of(w, sizes)} | {name: value.numpy() for name, value in arrays.items()}
    given = as_bytes(x) if isinstance(x, bits.Packed) else x.numpy()
    got = run_all(operator.onnx_name, given, constants, kinds, level, **sizes)
    np.testing.assert_array_equal(got[0], floats.numpy())
    np.testing.assert_array_equal(np.signbit(got[0])[~np.isnan(got[0])], np.signbit(floats.numpy())[~np.isnan(got[0])])
    if words is not None:
        np.testing.assert_array_equal(got[1], as_bytes(words))


def check_dense(operator: Operator, lead: tuple[int, ...], n: int, k: int, level=LEVELS[-1]) -> None:
    x, w, channels = operands(operator, lead, n, k)
    reference = _reference_s8 if operator.is_s8 else _reference
    if operator.has_steps:
        compare(operator, x, w, lead, reference, level, n=n, k=k)
        return
    expected = getattr(reference, operator.torch_name)(x, w, *channels)
    expected = as_bytes(expected) if isinstance(expected, bits.Packed) else expected.numpy()
    constants = {"weights": handle_of(w, {"k": k})} | {
        name: value.numpy() for name, value in zip(operator.constants, channels, strict=True)
    }
    given = as_bytes(x) if isinstance(x, bits.Packed) else x.numpy()
    got = run(operator.onnx_name, given, constants, ELEMENT[operator.output], level, n=n, k=k)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("operator", FEW, ids=lambda operator: operator.onnx_name)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (10, 63), (64, 64), (65, 65), (70, 200)])
def test_dense_definition_is_the_reference_at_word_edges(operator, n, k):
    check_dense(operator, (3,), n, k)


@pytest.mark.parametrize("operator", FEW, ids=lambda operator: operator.onnx_name)
@pytest.mark.parametrize("lead", [(0,), (1,), (2, 3)], ids=str)
def test_dense_definition_takes_any_leading_shape_and_an_empty_batch(operator, lead):
    check_dense(operator, lead, 66, 130)


@pytest.mark.parametrize("operator", DENSE, ids=lambda operator: operator.onnx_name)
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_no_optimisation_level_changes_a_bit(operator, level):
    check_dense(operator, (5,), 70, 130, level)


@pytest.mark.parametrize(("operator", "pixel"), [("DenseU8Int32", 255), ("DenseInt32", None)])
def test_sums_stay_exact_above_the_integers_of_float32(operator, pixel):
    k = 70_001  # 255 * k = 17,850,255 is odd and above 2**24, so float32 could not hold it
    w = bits.pack(torch.ones(2, k))
    x = np.full((1, k), pixel, np.uint8) if pixel else as_bytes(bits.pack(torch.ones(1, k)))
    constants = {"weights": handle_of(w, {"k": k})}
    got = run(operator, x, constants, onnx.TensorProto.INT32, n=2, k=k)
    assert got.tolist() == [[(pixel or 1) * k] * 2]


@pytest.mark.parametrize("k", [1, 7, 8, 9, 63, 64, 65, 200])
@pytest.mark.parametrize("lead", [(0,), (3,), (2, 2)], ids=str)
def test_pack_and_unpack_definitions_are_the_convention(k, lead):
    generator = torch.Generator().manual_seed(k)
    x = torch.randn(*lead, k, generator=generator)
    if x.numel() > 2:
        x.view(-1)[:3] = torch.tensor([0.0, -0.0, float("nan")])  # all of them +1
    packed = bits.pack(x)
    np.testing.assert_array_equal(run("Pack", x.numpy(), {}, onnx.TensorProto.UINT8), as_bytes(packed))
    got = run("Unpack", as_bytes(packed), {}, onnx.TensorProto.FLOAT, k=k)
    np.testing.assert_array_equal(got, bits.unpack(packed).numpy())


VALUES = [torch.float32, torch.float16, torch.int8, torch.uint8]
PACKS = [(one, t) for one in OPERATORS for t in VALUES if one.row == "pack" and (one.is_compared or t != torch.uint8)]


@pytest.mark.parametrize(("operator", "dtype"), PACKS, ids=lambda value: getattr(value, "onnx_name", str(value)))
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("lead", [(0, 3), (2,), (2, 3)], ids=str)
def test_pack_definitions_are_the_reference_for_every_type(operator, dtype, level, lead):
    generator, c = torch.Generator().manual_seed(len(lead)), 70
    x = (
        (torch.randn(*lead, 2, c, generator=generator) * 3)
        .round()
        .abs()
        .sub(2 if dtype != torch.uint8 else 0)
        .to(dtype)
    )
    if dtype.is_floating_point and x.numel():
        x.view(-1)[:3] = torch.tensor([0.0, -0.0, float("nan")])
    x = x.movedim(-1, 1).contiguous() if operator.is_nchw else x
    channels = {}
    if operator.is_compared:
        threshold = torch.randint(-2, 5, (c,), generator=generator).float()
        threshold[:4] = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0])
        direction = torch.where(torch.arange(c) % 2 == 0, 1, -1).to(torch.int8)
        channels = {"threshold": threshold, "direction": direction}
    expected = as_bytes(bits.pack(x, axis=1 if operator.is_nchw else -1, **channels))
    constants = {name: value.numpy() for name, value in zip(operator.constants, channels.values(), strict=True)}
    got = run(operator.onnx_name, x.numpy(), constants, onnx.TensorProto.UINT8, level)
    np.testing.assert_array_equal(got, expected)


CONV_STEPPED = ("Conv2dFloatAddClampBits", "Conv2dFloatPreluAdd", "Conv2dU8FloatBits")
CONV = [o for o in OPERATORS if o.is_conv and (not o.has_steps or o.onnx_name in CONV_STEPPED)]
WINDOWS = {  # kernel, stride, padding, dilation; the image; c, n, groups
    "same": (Window((3, 3), padding=Padding(1, 1, 1, 1)), (2, 5, 4), 65, 70, 1),
    "awkward": (Window((2, 3), (2, 1), Padding(0, 2, 1, 3), (1, 2)), (1, 4, 7), 6, 4, 2),
    "depthwise": (Window((3, 3), (2, 2), Padding(1, 0, 1, 0)), (3, 5, 5), 5, 10, 5),
    "groups across words": (Window((2, 1)), (1, 3, 2), 130, 26, 13),
    "larger than the image": (Window((5, 5), padding=Padding(2, 2, 2, 2)), (1, 2, 2), 3, 1, 1),
    "empty batch": (Window((3, 3)), (0, 5, 4), 3, 5, 1),
}


def check_conv(operator: Operator, case: str, pad: int, level=LEVELS[-1]) -> None:
    window, image, c, n, groups = WINDOWS[case]
    x, _, channels = operands(operator, image, n, c)
    w = bits.pack(torch.randn(n, *window.kernel, c // groups, generator=torch.Generator().manual_seed(n)))
    moved = {"multiplier": 2, "offset": 1 if operator.is_s8 else -255} if operator.takes_bytes else {}
    lists = {name: list(getattr(window, name)) for name in ("kernel", "stride", "padding", "dilation")}
    sizes = {"n": n, "c": c, **lists, "groups": groups, "pad_value": pad, **moved}
    reference = _reference_s8 if operator.is_s8 else _reference_conv
    if operator.has_steps:
        lead = (image[0], *window.output("test", *image[1:]))
        compare(operator, x, w, lead, reference, level, (window, groups, pad, *moved.values()), **sizes)
        return
    expected = getattr(reference, operator.torch_name)(x, w, window, groups, pad, *moved.values(), *channels)
    expected = as_bytes(expected) if isinstance(expected, bits.Packed) else expected.numpy()
    names = zip(operator.constants, channels, strict=True)
    constants = {"weights": handle_of(w, {"c": c, "groups": groups, "kernel": window.kernel})} | {
        name: value.numpy() for name, value in names
    }
    given = as_bytes(x) if isinstance(x, bits.Packed) else x.numpy()
    got = run(operator.onnx_name, given, constants, ELEMENT[operator.output], level, **sizes)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("operator", CONV, ids=lambda operator: operator.onnx_name)
@pytest.mark.parametrize("case", WINDOWS)
@pytest.mark.parametrize("pad", [0, 1, -1])
def test_conv2d_definition_is_the_reference(operator, case, pad):
    check_conv(operator, case, pad)


@pytest.mark.parametrize("operator", CONV, ids=lambda operator: operator.onnx_name)
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_no_optimisation_level_changes_a_convolution(operator, level):
    check_conv(operator, "awkward", -1, level)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("c", [1, 64, 70])
def test_max_pool2d_definition_is_the_reference(level, batch, c):
    generator = torch.Generator().manual_seed(c)
    x, minimum = bits.pack(torch.randn(batch, 5, 7, c, generator=generator)), bits.pack(torch.randn(c))
    window = Window((3, 2), (2, 3), Padding(1, 2, 0, 1))
    expected = _reference_conv.max_pool2d(x, window, minimum.words)
    sizes = {"c": c, "kernel": [3, 2], "stride": [2, 3], "padding": [1, 2, 0, 1]}
    got = run("MaxPool2d", as_bytes(x), {"minimum": as_bytes(minimum)}, onnx.TensorProto.UINT8, level, **sizes)
    np.testing.assert_array_equal(got, as_bytes(expected))
