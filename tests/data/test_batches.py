from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from onebit._errors import OptionError
from onebit.data import Dataset, augment, batches


def dataset(count: int) -> Dataset:
    """Picture i is filled with i, so that a picture tells where it came from."""
    numbers = torch.arange(count)
    images = numbers.to(torch.uint8)[:, None, None, None].expand(count, 1, 2, 2).contiguous()
    return Dataset(images, numbers % 7, tuple("abcdefg"), "toy", "made by a test")


def seen(loader) -> list[list[int]]:
    for images, labels in loader:
        assert torch.equal(images[:, 0, 0, 0] % 7, labels)
    return [images[:, 0, 1, 1].tolist() for images, _ in loader]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(count=st.integers(0, 40), size=st.integers(1, 45), drop_last=st.booleans())
def test_batches_cut_the_set_in_order(count: int, size: int, drop_last: bool) -> None:
    loader = batches(dataset(count), size, drop_last=drop_last)
    every = [list(range(count))[start : start + size] for start in range(0, count, size)]
    expected = [part for part in every if len(part) == size or not drop_last]
    assert seen(loader) == expected
    assert len(loader) == len(expected)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(count=st.integers(1, 40), size=st.integers(1, 45), seed=st.integers(0, 9))
def test_a_shuffled_epoch_has_every_picture_once(count: int, size: int, seed: int) -> None:
    loader = batches(dataset(count), size, shuffle=True, generator=torch.Generator().manual_seed(seed))
    for _ in range(2):
        epoch = [images[:, 0, 0, 0] for images, _ in loader]
        assert sorted(torch.cat(epoch).tolist()) == list(range(count))
        assert all(len(part) == size for part in epoch[:-1])


def test_the_seed_decides_every_epoch_and_epochs_differ() -> None:
    def epochs(seed: int) -> list[list[int]]:
        loader = batches(dataset(40), 16, shuffle=True, generator=torch.Generator().manual_seed(seed))
        return [torch.cat([images[:, 0, 0, 0] for images, _ in loader]).tolist() for _ in range(3)]

    assert epochs(3) == epochs(3)
    assert epochs(3) != epochs(4)
    first, second, third = epochs(3)
    assert len({tuple(first), tuple(second), tuple(third), tuple(range(40))}) == 4


def test_without_a_generator_the_default_seed_decides() -> None:
    def epoch() -> list[list[int]]:
        torch.manual_seed(5)
        return [images[:, 0, 0, 0].tolist() for images, _ in batches(dataset(20), 6, shuffle=True)]

    assert epoch() == epoch()


def test_pictures_keep_their_labels_when_shuffled() -> None:
    for images, labels in batches(dataset(40), 16, shuffle=True):
        assert torch.equal(images[:, 0, 0, 0] % 7, labels)


def test_useless_options_are_refused() -> None:
    with pytest.raises(OptionError, match="batch_size is 0; expected 1 or more"):
        batches(dataset(5), 0)
    with pytest.raises(OptionError, match="shuffle is False"):
        batches(dataset(5), 2, generator=torch.Generator())
    for part in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(OptionError, match=r"expected \(i, n\) with 0 <= i < n"):
            batches(dataset(5), 2, part=part)
    with pytest.raises(OptionError, match="4 batches cannot be skipped; expected 0 to 3"):
        batches(dataset(5), 2).skip(4)


NOISE = augment([{"crop": 1}, "flip"])


def random_set(count: int) -> Dataset:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 6, 5), dtype=torch.uint8, generator=rng)
    return Dataset(images, torch.arange(count), tuple(map(str, range(count))), "noise", "made by a test")


def loader(seed: int = 1, size: int = 8, part: tuple[int, int] = (0, 1), shuffle: bool = True):
    generator = torch.Generator().manual_seed(seed)
    return batches(random_set(30), size, shuffle=shuffle, generator=generator, augment=NOISE, part=part)


def everything(one) -> list[tuple[list[int], list]]:
    return [(labels.tolist(), images.tolist()) for images, labels in one]


def test_augmentation_changes_pictures_keeps_labels_and_is_decided_by_the_seed() -> None:
    first, again, other = loader(1), loader(1), loader(2)
    epochs = [everything(first) for _ in range(3)]
    assert epochs == [everything(again) for _ in range(3)]
    assert epochs[0] != everything(other)
    assert epochs[0] != epochs[1]
    unchanged = random_set(30).images.tolist()
    pairs = [pair for labels, images in epochs[0] for pair in zip(labels, images, strict=True)]
    assert sum(image != unchanged[label] for label, image in pairs) > 20
    assert sorted(label for labels, _ in epochs[0] for label in labels) == list(range(30))


def test_every_batch_has_its_own_changes() -> None:
    same = Dataset(random_set(1).images.expand(40, 3, 6, 5), torch.zeros(40, dtype=torch.int64), ("a",), "same", "test")
    images = [batch for batch, _ in batches(same, 10, augment=NOISE, generator=torch.Generator().manual_seed(0))]
    assert len({tuple(batch.flatten().tolist()) for batch in images}) == 4


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_parts_of_a_batch_together_are_the_batch(parts: int, shuffle: bool) -> None:
    whole = list(loader(shuffle=shuffle))
    shares = [list(loader(part=(place, parts), shuffle=shuffle)) for place in range(parts)]
    for number, (images, labels) in enumerate(whole):
        for place, share in enumerate(shares):
            assert torch.equal(share[number][0], images[place::parts])
            assert torch.equal(share[number][1], labels[place::parts])


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_restored_place_goes_on_as_if_nothing_had_been(stop: int) -> None:
    whole = loader()
    expected = [everything(whole) for _ in range(3)]
    broken = loader()
    everything(broken)
    begun = iter(broken)
    seen = [next(begun) for _ in range(stop)]
    state = broken.state_dict()
    assert [(labels.tolist(), images.tolist()) for images, labels in seen] == expected[1][:stop]
    resumed = loader(seed=99)
    resumed.load_state_dict(state)
    assert everything(resumed) == expected[1][stop:]
    assert everything(resumed) == expected[2]


def test_the_state_is_plain_enough_for_a_checkpoint(tmp_path) -> None:
    one = loader()
    next(iter(one))
    torch.save(one.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["position"] == 1
    assert state.keys() == one.state_dict().keys()


@pytest.mark.parametrize("count", [0, 2, 4])
def test_skipped_batches_are_left_out_and_not_made(count: int) -> None:
    made: list[int] = []

    class Watch(type(NOISE)):
        def apply(self, images, total, generator, part):
            made.append(total)
            return super().apply(images, total, generator, part)

    expected = everything(loader())
    one = loader()
    one.augment = Watch(NOISE.steps)
    assert everything(one.skip(count)) == expected[count:]
    assert len(made) == 4 - count
    assert len(everything(one)) == 4
