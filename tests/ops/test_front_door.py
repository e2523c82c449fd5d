"""Both front doors serve the same operators with the same numbers, and say which of them is open and why."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from onebit import ops
from onebit.ops import _front_door

SCHEMAS = {
    "pack": "onebit::pack(Tensor x) -> Tensor",
    "pack_nchw": "onebit::pack_nchw(Tensor x) -> Tensor",
    "pack_threshold": "onebit::pack_threshold(Tensor x, Tensor threshold, Tensor direction) -> Tensor",
    "pack_nchw_threshold": "onebit::pack_nchw_threshold(Tensor x, Tensor threshold, Tensor direction) -> Tensor",
    "unpack": "onebit::unpack(Tensor words, int k) -> Tensor",
    "pack_weights": "onebit::pack_weights(Tensor rows, int k) -> Tensor",
    "unpack_weights": "onebit::unpack_weights(Tensor weights, int n, int k) -> Tensor",
}
STEPS = "Tensor scale, Tensor bias, Tensor[] activation, Tensor[] residual, bool residual_last"
SIGNS = ", Tensor threshold, Tensor direction"
for family in ("dense", "dense_u8", "dense_s8"):
    sizes = f"onebit::{family}_{{}}(Tensor x, Tensor weights, int n, int k"
    SCHEMAS[f"{family}_int32"] = sizes.format("int32") + ") -> Tensor"
    SCHEMAS[f"{family}_float"] = sizes.format("float") + ", Tensor scale, Tensor bias) -> Tensor"
    SCHEMAS[f"{family}_bits"] = sizes.format("bits") + ", Tensor threshold, Tensor direction) -> Tensor"
    SCHEMAS[f"{family}_fused"] = sizes.format("fused") + f", {STEPS}) -> Tensor"
    SCHEMAS[f"{family}_both"] = sizes.format("both") + f", {STEPS}{SIGNS}) -> (Tensor, Tensor)"
CONV = "Tensor x, Tensor weights, int n, int c, int[] kernel, int[] stride, int[] padding, int[] dilation, int groups"
MOVED = ", int pad_value, int multiplier, int offset"
for family, extra in (("conv2d", ", int pad_value"), ("conv2d_u8", MOVED), ("conv2d_s8", MOVED)):
    for output, tensors in (("int32", ""), ("float", "scale bias"), ("bits", "threshold direction")):
        channels = "".join(f", Tensor {name}" for name in tensors.split())
        SCHEMAS[f"{family}_{output}"] = f"onebit::{family}_{output}({CONV}{extra}{channels}) -> Tensor"
    SCHEMAS[f"{family}_fused"] = f"onebit::{family}_fused({CONV}{extra}, {STEPS}) -> Tensor"
    SCHEMAS[f"{family}_both"] = f"onebit::{family}_both({CONV}{extra}, {STEPS}{SIGNS}) -> (Tensor, Tensor)"
KERNEL = "int c, int groups, int[] kernel) -> Tensor"
SCHEMAS |= {
    "pack_conv_weights": f"onebit::pack_conv_weights(Tensor rows, {KERNEL}",
    "unpack_conv_weights": f"onebit::unpack_conv_weights(Tensor weights, int n, {KERNEL}",
    "max_pool2d": "onebit::max_pool2d(Tensor x, int c, int[] kernel, int[] stride, int[] padding, Tensor minimum) "
    "-> Tensor",
    "network": "onebit::network(Tensor[] inputs, Tensor[] constants, int number, int version) -> Tensor[]",
}

CHAIN = """
import torch
from onebit import ops
generator = torch.Generator().manual_seed(1)
x, w, v = (torch.randn(rows, 130, generator=generator) for rows in (5, 130, 9))
first, second = (ops.pack_weights(ops.pack(rows), 130) for rows in (w, v))
threshold, direction = torch.arange(130, dtype=torch.int32) - 65, torch.ones(130, dtype=torch.int8)
bits = torch.ops.onebit.dense_bits(ops.pack(x), first, 130, 130, threshold, direction)
y = torch.ops.onebit.dense_float(bits, second, 9, 130, torch.full((9,), 0.1), torch.ones(9))
try:
    torch.ops.onebit.dense_int32(x, second, 9, 130)
except RuntimeError as error:
    refused = "x has dtype" in str(error)
except TypeError as error:
    refused = "x has dtype" in str(error)
print(ops.front_door().name, refused, y.double().sum().item())
"""


def child(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_the_published_one(name):
    operator = getattr(torch.ops.onebit, name).default
    assert str(operator._schema) == SCHEMAS[name]
    assert torch.Tag.pt2_compliant_tag in operator.tags


def test_every_operator_has_both_kernels():
    assert set(_front_door._fallbacks) == set(SCHEMAS)
    for name in SCHEMAS:
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"onebit::{name}", "CPU")


def test_this_process_says_which_door_is_open():
    door = ops.front_door()
    assert door.name in ("c-shim", "python")
    assert door.why
    assert str(door) == f"{door.name}: {door.why}"


def test_both_doors_give_the_same_numbers_in_a_fresh_process(child_environment):
    shim = child(CHAIN, child_environment(ONEBIT_TORCH_FRONT="c-shim"))
    python = child(CHAIN, child_environment(ONEBIT_TORCH_FRONT="python"))
    assert (shim.returncode, python.returncode) == (0, 0), shim.stderr + python.stderr
    (shim_name, *shim_rest), (python_name, *python_rest) = shim.stdout.split(), python.stdout.split()
    assert (shim_name, python_name) == ("c-shim", "python")
    assert shim_rest == python_rest
    assert shim_rest[0] == "True"  # the wrong dtype was refused with our message, and the process lived on


def test_an_unknown_front_door_suggests_the_near_one(child_environment):
    done = child("import onebit.ops", child_environment(ONEBIT_TORCH_FRONT="c-shin"))
    assert done.returncode == 1
    assert "OptionError: ONEBIT_TORCH_FRONT: No front door is called 'c-shin'. Did you mean 'c-shim'?" in done.stderr


def test_a_library_without_the_c_kernels_opens_the_python_door(monkeypatch):
    class Bare:
        pass

    monkeypatch.setattr(_front_door, "lib", Bare())
    assert "built without" in _front_door._register_c_kernels()
