from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from onebit._errors import OptionError, ShapeError
from onebit.data import Colour, Lighting, augment
from onebit.data._colour import VALUES, VECTORS

PICTURES = torch.randint(0, 256, (300, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(x: np.ndarray) -> np.ndarray:
    return 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]


def brightness(x: np.ndarray, f: float) -> np.ndarray:
    return x * f


def contrast(x: np.ndarray, f: float) -> np.ndarray:
    return x * f + grey(x).mean() * (1 - f)


def saturation(x: np.ndarray, f: float) -> np.ndarray:
    return x * f + grey(x) * (1 - f)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_the_three_numbers_do_what_the_three_changes_do_in_any_order(order: tuple[int, ...]) -> None:
    colour = Colour(0.4, 0.3, 0.2)
    factors = 1 + (2 * torch.rand(300, 3, generator=seeded(5)) - 1) * torch.tensor([0.4, 0.3, 0.2])
    changed = colour.apply(PICTURES, colour.draw(300, 5, 6, seeded(5))).double().numpy()
    for i, x in enumerate(PICTURES.double().numpy()):
        for which in order:
            x = (brightness, contrast, saturation)[which](x, float(factors[i, which]))
        assert np.abs(x - changed[i]).max() < 1e-3


@pytest.mark.parametrize("only", [0, 1, 2])
def test_one_change_alone_is_its_formula(only: int) -> None:
    ranges = [0.0, 0.0, 0.0]
    ranges[only] = 0.5
    colour = Colour(*ranges)
    factors = 1 + (2 * torch.rand(300, 3, generator=seeded(2)) - 1) * 0.5
    changed = colour.apply(PICTURES, colour.draw(300, 5, 6, seeded(2))).double().numpy()
    change = (brightness, contrast, saturation)[only]
    expected = [change(x, float(f)) for x, f in zip(PICTURES.double().numpy(), factors[:, only], strict=True)]
    assert np.abs(np.stack(expected) - changed).max() < 1e-3


def test_without_range_nothing_changes() -> None:
    assert torch.equal(augment([{"colour": [0, 0, 0]}, {"lighting": 0}])(PICTURES, seeded()), PICTURES)


def test_lighting_adds_noise_along_the_principal_colours() -> None:
    drawn = Lighting(0.1).draw(200_000, 5, 6, seeded())["added"].double() / 255
    vectors, values = torch.tensor(VECTORS).double(), torch.tensor(VALUES).double()
    expected = vectors @ torch.diag((0.1 * values) ** 2) @ vectors.T
    assert torch.allclose(drawn.T @ drawn / len(drawn), expected, atol=6e-6)
    assert float(drawn.mean(0).abs().max()) < 2e-4
    changed = Lighting(0.1).apply(PICTURES, {"added": torch.tensor([[1.0, -2.0, 3.0]]).expand(300, 3)})
    assert torch.equal(changed, PICTURES + torch.tensor([1.0, -2.0, 3.0])[:, None, None])


def test_colours_are_rounded_and_clamped_once_at_the_end() -> None:
    changed = augment(["colour", "lighting"])(PICTURES, seeded(1))
    generator = seeded(1)
    colour, lighting = Colour(), Lighting()
    x = colour.apply(PICTURES, colour.draw(300, 5, 6, generator))
    x = lighting.apply(x, lighting.draw(300, 5, 6, generator))
    assert float(x.max()) > 255
    assert float(x.min()) < 0
    assert torch.equal(changed, x.round().clamp(0, 255).to(torch.uint8))


def test_what_has_no_colours_is_refused() -> None:
    for step in ("colour", "lighting"):
        with pytest.raises(ShapeError, match=f"{step}: pictures have 1 channels. Expected 3"):
            augment([step])(PICTURES[:, :1], seeded())
    with pytest.raises(OptionError, match=r"colour: .* are \(2, 0.4, 0.4\)"):
        augment([{"colour": 2}])
    with pytest.raises(OptionError, match="lighting: std is -1"):
        augment([{"lighting": -1}])
