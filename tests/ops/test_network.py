"""onebit::network: both of its doors, what it refuses, and how long a network lives."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor

from onebit import ops
from onebit._errors import NativeError, OnebitError, OptionError, ShapeError
from onebit.ops import _network
from onebit.ops._library import DenseCall, Epilogue
from onebit.ops._network import ARRAYS, NONE, Network, Step


def dense(x: int, out: int, n: int, k: int, output: int, **constants: int) -> Step:
    step = Step(op=2, x=x, out=out, bits=NONE, residual=NONE, epilogue=Epilogue(output=output))
    step.arrays = type(step.arrays)(*(constants.get(name, NONE) for name in ARRAYS))
    step.call.dense = DenseCall(m=1, n=n, k=k)
    return step


def two_layers() -> tuple[Network, list[Tensor]]:
    """70 signs -> 130 signs -> 9 sums."""
    generator = torch.Generator().manual_seed(3)
    first, second = (
        ops.pack_weights(ops.pack(torch.randn(n, k, generator=generator)), k) for n, k in ((130, 70), (9, 130))
    )
    threshold = torch.randint(-9, 9, (130,), dtype=torch.int32, generator=generator)
    constants = [first, threshold, torch.ones(130, dtype=torch.int8), second]
    network = Network(
        [((2,), torch.int64), ((3,), torch.int64), ((9,), torch.int32)],
        [dense(0, 1, 130, 70, 3, weights=0, threshold=1, direction=2), dense(1, 2, 9, 130, 1, weights=3)],
        [tensor.numel() * tensor.element_size() for tensor in constants],
        [0],
        [2],
    )
    return network, constants


def steps(x: Tensor, constants: list[Tensor]) -> Tensor:
    first, threshold, direction, second = constants
    return ops.dense_int32(ops.dense_bits(x, first, 130, 70, threshold, direction), second, 9, 130)


def signs(batch: int) -> Tensor:
    return ops.pack(torch.randn(batch, 70, generator=torch.Generator().manual_seed(batch)))


CALLS = (torch.ops.onebit.network, _network._python)


@pytest.mark.parametrize("call", CALLS, ids=["torch", "python"])
def test_a_network_is_its_operators_one_by_one(call):
    network, constants = two_layers()
    for batch in (0, 1, 5, 64, 1):
        (y,) = call([signs(batch)], constants, network.number, 0)
        assert torch.equal(y, steps(signs(batch), constants))
    (y,) = call([signs(6)[::2]], constants, network.number, 0)
    assert torch.equal(y, steps(signs(6)[::2].contiguous(), constants))


def test_the_fake_has_the_shapes_of_the_result():
    network, constants = two_layers()
    arguments = ([signs(4)], constants, network.number, 0)
    (fake,), (y,) = _network._fake(*arguments), torch.ops.onebit.network(*arguments)
    assert (fake.shape, fake.dtype) == (y.shape, y.dtype)
    torch.library.opcheck(torch.ops.onebit.network, arguments)


@pytest.mark.parametrize("call", CALLS, ids=["torch", "python"])
def test_what_does_not_fit_the_network_is_refused(call):
    network, (first, *rest) = two_layers()
    refused = (RuntimeError, OnebitError, TypeError)
    for inputs, constants, words in (
        ([], [first, *rest], "inputs has 0 tensors"),
        ([signs(2), signs(2)], [first, *rest], "inputs has 2 tensors"),
        ([signs(2)], rest, "constants has 3 tensors; the network has 4"),
        ([signs(2)], [first[:-1], *rest], "bytes"),
        ([signs(2)[:, :1]], [first, *rest], "an input has shape"),
        ([signs(2)[0]], [first, *rest], "an input has shape"),
        ([signs(2).int()], [first, *rest], "an input has dtype"),
        ([signs(2)], [torch.zeros_like(first), *rest], "weights were not made by"),
    ):
        with pytest.raises(refused, match=words):
            call(inputs, constants, network.number, 0)


def test_a_network_ends_with_its_object():
    network, constants = two_layers()
    number = network.number
    del network
    gc.collect()
    with pytest.raises(RuntimeError, match=f"there is no network {number}"):
        torch.ops.onebit.network([signs(1)], constants, number, 0)
    with pytest.raises(NativeError, match=f"there is no network {number}"):
        _network._python([signs(1)], constants, number, 0)


def test_a_wrong_description_names_its_step():
    network, _ = two_layers()
    wrong = dense(1, 2, 9, 200, 1, weights=3)
    with pytest.raises(NativeError, match="Network, step 1: a step of the network lacks a constant"):
        Network(network.values, [network.steps[0], wrong], network.constant_bytes, [0], [2])
    with pytest.raises(NativeError, match="Network: a step, an input or an output"):
        Network(network.values, network.steps, network.constant_bytes, [0], [7])


def test_messages_of_the_python_door_have_a_class():
    network, constants = two_layers()
    with pytest.raises(OptionError, match="constants has 3"):
        _network._python([signs(1)], constants[1:], network.number, 0)
    with pytest.raises(ShapeError, match=r"expected \('N', 2\), one N"):
        _network._python([signs(1)[:, :1]], constants, network.number, 0)
