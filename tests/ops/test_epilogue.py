"""Every epilogue of every operator gives the reference's numbers, float for float, on every instruction set."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import ops
from onebit._errors import DtypeError, NativeError, OptionError, ShapeError
from onebit.bits import Packed, pack
from onebit.bits import _reference as dense_reference
from onebit.bits import _reference_conv as conv_reference
from onebit.bits._reference import Steps
from onebit.bits._window import Padding, Window
from onebit.ops import _front_door, native

FAMILIES = ["dense", "dense_u8", "conv2d", "conv2d_u8"]
ISAS = native.available_isas("float_steps")
EDGES = [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 97, 127, 128, 129, 190]
WINDOW = Window((2, 2), padding=Padding(1, 0, 0, 1))
SIZES = ([2, 2], [1, 1], [1, 0, 0, 1], [1, 1], 1, -1)
INF, NAN = float("inf"), float("nan")


def tensor(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Random floats among which zeros of both signs are common."""
    x = 9 * torch.randn(*shape, generator=generator)
    return torch.where(torch.rand(*shape, generator=generator) < 0.1, -0.0 * x.sign(), x)


class Problem:
    """The operands of one family, and what the reference and the operators take."""

    def __init__(self, family: str, n: int, seed: int) -> None:
        self.family, self.generator, self.n, k = family, torch.Generator().manual_seed(seed), n, 70
        lead = (3, 2) if family.startswith("dense") else (2, 3, 3)
        x = torch.randn(*lead, k, generator=self.generator)
        self.pixels = (x.abs() * 60).clamp(0, 255).to(torch.uint8)
        self.x = self.pixels if family.endswith("u8") else pack(x)
        if family.startswith("dense"):
            self.w = pack(torch.randn(n, k, generator=self.generator))
            self.handle, self.sizes, self.meaning = ops.pack_weights(self.w.words, k), (n, k), ()
        else:
            self.w = pack(torch.randn(n, 2, 2, k, generator=self.generator))
            self.handle = ops.pack_conv_weights(self.w.words, k, 1, [2, 2])
            self.sizes, self.meaning = (n, k, *SIZES), (WINDOW, 1, -1)
            if family.endswith("u8"):
                self.sizes, self.meaning = (*self.sizes, 2, -255), (*self.meaning, 2, -255)
        self.lead = (*lead[:-1], 3) if family.startswith("conv") else lead
        self.scale, self.bias = (tensor(self.generator, n) for _ in range(2))
        self.direction = torch.where(torch.rand(n, generator=self.generator) < 0.5, -1, 1).to(torch.int8)

    def steps(self, activation: int, residual: str) -> Steps:
        arrays = [tensor(self.generator, self.n) for _ in range(activation)]
        if activation == 2:
            arrays = [arrays[0], torch.where(arrays[1] < 0, INF, arrays[0] + arrays[1])]
        other = tensor(self.generator, *self.lead, self.n)
        other.view(-1)[0] = NAN
        return Steps(arrays, other if residual != "none" else None, residual == "last")

    def expected(self, kind: str, *epilogue: object) -> torch.Tensor | tuple[torch.Tensor, Packed]:
        module = dense_reference if self.family.startswith("dense") else conv_reference
        return getattr(module, f"{self.family}_{kind}")(self.x, self.w, *self.meaning, self.scale, self.bias, *epilogue)

    def arguments(self, *epilogue: object) -> tuple[object, ...]:
        x = self.x.words if isinstance(self.x, Packed) else self.x
        return (x, self.handle, *self.sizes, self.scale, self.bias, *epilogue)

    def threshold(self, floats: torch.Tensor) -> torch.Tensor:
        """Values that occur, those beside them, zeros, and those that nothing passes."""
        rows = floats.flatten(0, -2)
        found = rows[torch.randint(0, len(rows), (self.n,), generator=self.generator), torch.arange(self.n)]
        beside = torch.nextafter(found, torch.tensor(INF))
        rare = torch.tensor([-INF, INF, NAN, 0.0, -0.0])[torch.arange(self.n) % 5]
        choice = torch.randint(0, 5, (self.n,), generator=self.generator)
        return torch.where(choice == 0, rare, torch.where(choice == 1, beside, found))


def same(got: torch.Tensor, expected: torch.Tensor) -> bool:
    """Bit for bit, and NaN where NaN is expected."""
    nan = expected.isnan()
    bits = [torch.where(nan, 0.0, x).view(torch.int32) for x in (got, expected)]
    return torch.equal(nan, got.isnan()) and torch.equal(*bits) and got.dtype == expected.dtype


def check(problem: Problem, steps: Steps, isa: str) -> None:
    floats = problem.expected("fused", steps)
    threshold, direction = problem.threshold(floats), problem.direction
    expected, signs = problem.expected("both", steps, threshold, direction)
    python, more = _front_door._fallbacks, (threshold, direction, *steps)
    raw = (list(steps.activation), [] if steps.residual is None else [steps.residual], steps.residual_last)
    with native.force(isa):
        fused = getattr(ops, f"{problem.family}_fused")(*problem.arguments(*steps))
        got, words = getattr(ops, f"{problem.family}_both")(*problem.arguments(*more))
        by_python = python[f"{problem.family}_fused"](*problem.arguments(*raw))
        both_by_python = python[f"{problem.family}_both"](*problem.arguments(*raw, threshold, direction))
    assert same(fused, floats)
    assert same(got, expected)
    assert same(by_python, floats)
    assert torch.equal(words, signs.words)
    assert same(both_by_python[0], expected)
    assert torch.equal(both_by_python[1], signs.words)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("activation", [0, 1, 2], ids=["plain", "prelu", "clamp"])
@pytest.mark.parametrize("residual", ["none", "first", "last"])
def test_every_epilogue_is_the_reference_s(family, isa, activation, residual):
    for seed, n in enumerate((33, 190)):
        problem = Problem(family, n, seed)
        check(problem, problem.steps(activation, residual), isa)
    assert native.ran("float_steps") == isa


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.sampled_from(sorted(FAMILIES)), st.sampled_from(EDGES), st.integers(0, 2),
    st.sampled_from(["none", "first", "last"]), st.integers(0, 2**31),
)  # fmt: skip
def test_every_number_of_channels_is_the_reference_s(family, n, activation, residual, seed):
    problem = Problem(family, n, seed)
    steps = problem.steps(activation, residual)
    for isa in ISAS:
        check(problem, steps, isa)


@pytest.mark.parametrize("isa", ISAS)
def test_the_sum_rounds_before_the_residual_is_added(isa):
    problem = Problem("dense", 3, 0)
    problem.scale, problem.bias = torch.full((3,), 1 / 3), torch.full((3,), 1e8)
    steps = Steps((), torch.full((3, 2, 3), -1e8), False)
    with native.force(isa):
        got = ops.dense_fused(*problem.arguments(*steps))
    assert set(got.flatten().tolist()) <= {8.0 * i for i in range(-9, 10)}  # floats near 1e8 are 8 apart


@pytest.mark.parametrize("isa", ISAS)
def test_relu_is_a_clamp_at_zero_and_plain_signs_are_those_of_pack(isa):
    problem = Problem("conv2d", 65, 1)
    zeros, ones = torch.zeros(65), torch.ones(65, dtype=torch.int8)
    relu = (zeros, torch.full((65,), INF))
    plain = ops.conv2d_float(*problem.arguments())
    with native.force(isa):
        assert torch.equal(ops.conv2d_fused(*problem.arguments(relu)), plain.relu())
        got, words = ops.conv2d_both(*problem.arguments(zeros, ones))
    assert same(got, plain)
    assert torch.equal(words, ops.pack(plain))


@pytest.mark.parametrize("isa", ISAS)
def test_many_rows_in_blocks_and_threads_give_the_same(isa):
    """The steps go over blocks of rows: more rows than a block holds, several threads, a narrow last word."""
    generator = torch.Generator().manual_seed(5)
    x, w = torch.randn(1500, 64, generator=generator), pack(torch.randn(650, 64, generator=generator))
    other, scale, bias = torch.randn(1500, 650), torch.rand(650), torch.rand(650)
    steps = Steps((torch.rand(650),), other)
    expected, signs = dense_reference.dense_both(pack(x), w, scale, bias, steps, bias, torch.ones(650).to(torch.int8))
    with native.force(isa):
        arguments = (ops.pack(x), ops.pack_weights(w.words, 64), 650, 64, scale, bias, bias)
        got, words = ops.dense_both(*arguments, torch.ones(650, dtype=torch.int8), *steps)
    assert same(got, expected)
    assert torch.equal(words, signs.words)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_batch_gives_empty_results(family):
    problem = Problem(family, 5, 0)
    x, *rest = problem.arguments(torch.zeros(5), problem.direction, (), torch.zeros(0, *problem.lead[1:], 5))
    f, words = getattr(ops, f"{family}_both")(x[:0], *rest)
    assert (f.shape, words.shape) == ((0, *problem.lead[1:], 5), (0, *problem.lead[1:], 1))


def test_wrong_steps_are_refused_with_what_arrived():
    problem, n = Problem("dense", 9, 0), 9
    cases = {
        r"activation has 3 tensors; expected none, one \(PReLU's slope\) or two": ((torch.zeros(n),) * 3, None),
        r"slope has shape \(8,\); expected \(9,\)": ((torch.zeros(8),), None),
        r"high has shape \(1,\); expected \(9,\)": ((torch.zeros(n), torch.zeros(1)), None),
        r"residual has shape \(3, 9\); expected \(3, 2, 9\), the shape of the result": ((), torch.zeros(3, n)),
        r"residual has dtype torch.float64; expected torch.float32": ((), torch.zeros(3, 2, n).double()),
    }
    for message, steps in cases.items():
        with pytest.raises((OptionError, ShapeError, DtypeError), match=message):
            ops.dense_fused(*problem.arguments(*steps))
    with pytest.raises(DtypeError, match=r"threshold has dtype torch\.int32; expected torch\.float32"):
        ops.dense_both(*problem.arguments(torch.zeros(n, dtype=torch.int32), problem.direction))
    with pytest.raises(NativeError, match="direction is neither"):
        ops.dense_both(*problem.arguments(torch.zeros(n), torch.zeros(n, dtype=torch.int8)))
    with pytest.raises(OptionError, match="residual requires a gradient"):
        ops.dense_fused(*problem.arguments((), torch.zeros(3, 2, n, requires_grad=True)))


def test_the_operators_keep_no_tensor_of_their_lists():
    problem = Problem("conv2d", 9, 0)
    steps = problem.steps(2, "last")
    given, lists = [*problem.arguments(), problem.direction], (list(steps.activation), [steps.residual])
    tensors = [t for t in (*given, *lists[0], *lists[1]) if isinstance(t, torch.Tensor)]
    before = [t._use_count() for t in tensors]
    for _ in range(3):
        f, words = torch.ops.onebit.conv2d_both(*given[:-1], *lists, True, problem.bias, problem.direction)
        assert f._use_count() == words._use_count() == torch.ones(1)._use_count()
        for wrong in ([*lists[0]] * 3, [lists[0][0][:1]]):
            with pytest.raises((RuntimeError, OptionError, ShapeError)):
                torch.ops.onebit.conv2d_both(*given[:-1], wrong, lists[1], True, problem.bias, problem.direction)
    del wrong
    assert [t._use_count() for t in tensors] == before
