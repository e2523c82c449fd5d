from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from onebit._errors import DtypeError, OptionError, ShapeError, UnknownName
from onebit.data import Dataset, Preprocess, preprocess
from onebit.data._preprocess import CHUNK, PREPROCESSING, Step

EVERY = ["unit", {"normalise": {}}, {"gcn": 10}, {"lcn": 3}, {"zca": 0.1}]
CASES = [[one] for one in EVERY] + [[{"gcn": 55}, "zca"], EVERY]


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (count, 2, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


TRAIN, TEST = pictures(60), pictures(7, 1)


def test_every_step_is_among_the_cases() -> None:
    assert {name for one in EVERY for name in ([one] if isinstance(one, str) else one)} == set(PREPROCESSING)


@pytest.mark.parametrize("steps", CASES, ids=str)
def test_each_picture_is_treated_by_itself_flat_or_not(steps: list) -> None:
    fitted = preprocess(steps).fit(TRAIN)
    whole = fitted(TEST)
    assert (whole.dtype, whole.shape) == (torch.float32, TEST.shape)
    assert torch.isfinite(whole).all()
    assert torch.allclose(torch.cat([fitted(one[None]) for one in TEST]), whole, atol=1e-5)
    assert torch.equal(fitted(TEST.flatten(1)), whole.flatten(1))


@pytest.mark.parametrize("steps", CASES, ids=str)
def test_what_was_learned_is_saved_with_the_network_and_gives_equal_bits(steps: list) -> None:
    fitted = preprocess(steps).fit(TRAIN)
    network = nn.Sequential(fitted, nn.Flatten())
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    fresh = nn.Sequential(preprocess(steps), nn.Flatten())
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(fresh(TEST), network(TEST))
    assert list(fresh.parameters()) == []
    other = preprocess(steps).fit(pictures(30, 5))
    other.load_state_dict(fitted.state_dict())
    assert torch.equal(other(TEST), fitted(TEST))


@pytest.mark.parametrize("steps", CASES, ids=str)
def test_the_same_pictures_teach_the_same_bits_and_nothing_else_is_learned_from(steps: list) -> None:
    first, again = (preprocess(steps).fit(TRAIN).state_dict() for _ in range(2))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    fitted = preprocess(steps).fit(TRAIN)
    fitted(TEST)
    fitted.train()(TEST)
    assert all(torch.equal(first[name], value) for name, value in fitted.state_dict().items())


def test_steps_learn_from_what_the_steps_before_them_leave_in_chunks() -> None:
    seen = []

    class Watch(Step):
        def fit(self, chunks) -> None:
            seen.extend([torch.cat(list(chunks())), [len(chunk) for chunk in chunks()]])

        def forward(self, x):
            return x + 1

    many = pictures(CHUNK + 3)
    gcn = preprocess([{"gcn": 3}])
    Preprocess([*gcn.steps, Watch(), Watch()]).fit(many)
    expected = gcn.fit(many)(many)
    assert torch.equal(seen[0], expected)
    assert torch.equal(seen[2], expected + 1)
    assert seen[1] == [CHUNK, 3]


def test_a_data_set_teaches_as_its_pictures_do() -> None:
    dataset = Dataset(TRAIN, torch.zeros(60, dtype=torch.int64), ("a",), "toy", "made by a test")
    states = preprocess(EVERY).fit(dataset).state_dict(), preprocess(EVERY).fit(TRAIN).state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_autocast_does_not_reach_it() -> None:
    fitted = preprocess([{"gcn": 55}, "zca"]).fit(TRAIN)
    plain = fitted(TEST)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fitted(TEST), plain)


@pytest.mark.parametrize("steps", CASES, ids=str)
def test_it_can_be_captured(steps: list) -> None:
    fitted = preprocess(steps).fit(TRAIN).eval()
    batch = torch.export.Dim("batch", min=2)
    captured = torch.export.export(fitted, (TEST,), dynamic_shapes=({0: batch},)).module()
    assert torch.equal(captured(TRAIN), fitted(TRAIN))


def test_what_does_not_fit_is_refused() -> None:
    fitted = preprocess(["zca"]).fit(TRAIN)
    with pytest.raises(DtypeError, match=r"input has dtype torch\.float32\. Expected torch\.uint8"):
        fitted(TEST.float())
    with pytest.raises(ShapeError, match=r"input has shape \(7, 2, 3, 3\)\. Expected \(N, 2, 4, 3\)"):
        fitted(TEST[:, :, 1:])
    with pytest.raises(OptionError, match=r"has learned nothing yet\. Call `fit`"):
        preprocess(["unit"])(TEST)
    with pytest.raises(OptionError, match="cannot learn from no pictures"):
        preprocess(["unit"]).fit(TRAIN[:0])
    with pytest.raises(UnknownName, match=r"No preprocessing step is called 'zac'\. Did you mean 'zca'"):
        preprocess(["zac"])
