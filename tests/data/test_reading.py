from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from onebit._errors import FormatError
from onebit.data import Pictures, augment, batches, folder

# Of torch, on machines with fewer cores than processes, and of Python 3.12 and later.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]
STEPS = ["random-resized-crop", "flip", "colour"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """30 pictures of noise, of many sizes, in three classes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(30):
        path = root / "abc"[i % 3] / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9 + i % 7, 8 + i % 5, 3), np.uint8)).save(path)
    return root


def loader(root: Path, workers: int = 0, seed: int = 1, part: tuple[int, int] = (0, 1), **options):
    pictures = folder(root, 8, "all", workers=workers, **options)
    generator = torch.Generator().manual_seed(seed)
    return batches(pictures, 8, shuffle=True, generator=generator, augment=augment(STEPS), part=part)


def everything(one) -> list[tuple[list[int], list]]:
    return [(labels.tolist(), images.tolist()) for images, labels in one]


def test_what_is_read_does_not_depend_on_the_number_of_processes(root: Path) -> None:
    alone = loader(root)
    expected = [everything(alone) for _ in range(2)]
    assert expected[0] != expected[1]
    assert [len(labels) for labels, _ in expected[0]] == [8, 8, 8, 6]
    for workers in (1, 3):
        shared = loader(root, workers)
        assert [everything(shared) for _ in range(2)] == expected
    assert everything(loader(root, seed=2)) != expected[0]


def test_every_picture_of_an_epoch_has_its_own_box(root: Path) -> None:
    same = folder(root, 8, "all").select(torch.zeros(20, dtype=torch.int64))
    boxes = augment(["random-resized-crop"])
    images = torch.cat([images for images, _ in batches(same, 8, augment=boxes)])
    assert len({tuple(image.flatten().tolist()) for image in images}) >= 18


def test_reading_leaves_the_global_generator_alone(root: Path) -> None:
    before = torch.get_rng_state()
    everything(loader(root, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_parts_of_a_batch_together_are_the_batch(root: Path) -> None:
    whole = list(loader(root))
    for place in range(2):
        for (images, labels), (mine, own) in zip(whole, loader(root, part=(place, 2)), strict=True):
            assert torch.equal(mine, images[place::2])
            assert torch.equal(own, labels[place::2])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_restored_place_goes_on_as_if_nothing_had_been(root: Path, workers: int) -> None:
    whole = loader(root)
    expected = [everything(whole) for _ in range(2)]
    broken = loader(root, workers)
    begun = iter(broken)
    next(begun), next(begun)
    state = broken.state_dict()
    assert state["position"] == 2  # not what was read ahead
    resumed = loader(root, workers, seed=9)
    resumed.load_state_dict(state)
    assert everything(resumed) == expected[0][2:]
    assert everything(resumed) == expected[1]
    assert everything(loader(root).skip(3)) == expected[0][3:]


def test_without_augmentation_the_centred_square_is_read_in_order(root: Path) -> None:
    pictures = folder(root, 8, "all")
    images = torch.cat([images for images, _ in batches(pictures, 7)])
    assert torch.equal(images, torch.stack([pictures.read(i, None, None) for i in range(30)]))


@pytest.fixture
def torn(root: Path, tmp_path: Path) -> Path:
    for path in sorted(root.rglob("*.png")):
        copy = tmp_path / path.relative_to(root)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes()[: 60 if path.name in ("04.png", "20.png") else None])
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_cannot_be_read_is_an_error_that_names_its_file(torn: Path, workers: int) -> None:
    with pytest.raises(FormatError, match=r"(04|20)\.png: cannot be read as a picture \(.*\)\. Remove it, or choose"):
        everything(loader(torn, workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_or_is_left_out_and_the_others_stay_as_they_are(torn: Path, root: Path, workers: int) -> None:
    whole = everything(loader(root))
    with pytest.warns(UserWarning, match=r"(04|20)\.png: .* It is left out"):
        left = everything(loader(torn, workers, on_error="skip"))
    assert [len(labels) for labels, _ in left] != [8, 8, 8, 6]
    assert sum(len(labels) for labels, _ in left) == 28
    for (labels, images), (kept, pictures) in zip(whole, left, strict=True):
        pairs = list(zip(labels, images, strict=True))
        assert all(pair in pairs for pair in zip(kept, pictures, strict=True))


def test_a_batch_of_which_nothing_can_be_read_is_left_out() -> None:
    class Nothing:
        def open(self, _index: int):
            raise ValueError("torn")

        def where(self, index: int) -> str:
            return f"number {index}"

    pictures = Pictures(
        Nothing(), torch.zeros(3, dtype=torch.int64), ("a",), "toy", "made by a test", (1, 2, 2), on_error="skip"
    )
    with pytest.warns(UserWarning, match=r"number \d: cannot be read .* left out") as seen:
        assert list(batches(pictures, 2)) == []
    assert len(seen) == 3
