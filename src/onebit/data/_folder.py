"""Folders of pictures, one folder for each class: ImageNet's layout, and that of a user's own pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from onebit._errors import DataError, OptionError
from onebit.data._decode import open_file
from onebit.data._pictures import OnError, Pictures

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
TEST_NAMES = ("test", "val", "valid", "validation")
HELD_OUT = 5  # without a folder of test pictures, one of so many is one


@dataclass(frozen=True)
class Files:
    """`Source` of files."""

    paths: tuple[str, ...]

    def open(self, index: int) -> object:
        """The decoded picture."""
        return open_file(self.paths[index])

    def where(self, index: int) -> str:
        """The path."""
        return self.paths[index]


def folder(
    path: str | os.PathLike[str],
    size: int,
    split: str = "train",
    *,
    channels: int = 3,
    keep: float = 1.0,
    workers: int = 0,
    on_error: OnError = "raise",
    name: str = "folder",
) -> Pictures:
    """The pictures of a folder that holds a folder for each class, in colour (channels 1: grey), size x size pixels.

    The classes are numbered by name, and the pictures of a class are all below its folder. If there are folders `train`
    and `test` (or `val`, `valid`, `validation`), they hold the folders of classes and `split` chooses one; else a fifth
    of the pictures, drawn once and for all, is "test" and the rest "train"; "all" takes all, by class and path. Those
    of "train" are in an order drawn once and for all: the last ones, held out for validation, are of all classes.
    keep, workers, on_error: see `Pictures`.

    Raises DataError if there is no such folder or no picture in it, OptionError for an option out of range.
    """
    if type(size) is not int or size < 1 or channels not in (1, 3) or split not in ("train", "test", "all"):
        raise OptionError(
            f"{name}: size is {size!r}, channels {channels!r}, split {split!r}. Expected 1 or more, 1 or 3, and one of "
            "'train', 'test', 'all'."
        )
    root = Path(path).expanduser()
    chosen = _split_folder(root, split)
    classes = _classes(chosen)
    paths, labels = _scan(chosen, classes)
    pictures = Pictures(
        Files(tuple(paths)),
        torch.tensor(labels),
        classes,
        name,
        f"{len(paths):,} pictures in {chosen}",
        (channels, size, size),
        keep=keep,
        workers=workers,
        on_error=on_error,
    )
    if split == "all":
        return pictures
    if chosen == root:
        return _share(pictures, split)
    return pictures.select(_shuffled(len(pictures))) if split == "train" else pictures


def picture_files(root: Path) -> list[str]:
    """The paths of all pictures below a folder, by name."""
    return sorted(
        os.path.join(where, file)  # noqa: PTH118
        for where, _, files in os.walk(root, followlinks=True)
        for file in files
        if os.path.splitext(file)[1].lower() in SUFFIXES and not file.startswith(".")  # noqa: PTH122
    )


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of "train" and "test", where there are any."""
    test = next((root / name for name in TEST_NAMES if (root / name).is_dir()), root / "test")
    return {split: path for split, path in (("train", root / "train"), ("test", test)) if path.is_dir()}


def _split_folder(root: Path, split: str) -> Path:
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder. Expected one with a folder of pictures for each class.")
    found = split_folders(root)
    if len(found) < 2:
        return root
    if split == "all":
        raise OptionError(f"{root}: has folders of training and of test pictures, so split must be 'train' or 'test'.")
    train, test = (_classes(one) for one in found.values())
    if train != test:
        alone = sorted(set(train) ^ set(test))
        shown = ", ".join(alone[:3])
        raise DataError(
            f"{root}: only one of train and {found['test'].name} has these folders of classes: {shown} "
            f"({len(alone)} in all). Expected a folder for each class in both."
        )
    return found[split]


def _classes(root: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def _scan(root: Path, classes: Sequence[str]) -> tuple[list[str], list[int]]:
    paths: list[str] = []
    labels: list[int] = []
    empty = []
    for label, name in enumerate(classes):
        found = picture_files(root / name)
        paths += found
        labels += [label] * len(found)
        empty += [] if found else [name]
    if not paths or empty:
        what = f"no pictures in {' and '.join(empty[:3])}" if empty else "no folder in it"
        raise DataError(
            f"{root}: {what}. Expected a folder for each class, with pictures in it ({', '.join(sorted(SUFFIXES))})."
        )
    return paths, labels


def _share(pictures: Pictures, split: str) -> Pictures:
    order = _shuffled(len(pictures))
    held_out = max(1, len(pictures) // HELD_OUT)
    chosen = pictures.select(order[:held_out] if split == "test" else order[held_out:])
    chosen.source = f"{len(chosen):,} of the {pictures.source}, drawn for {split}"
    return chosen


def _shuffled(count: int) -> torch.Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))
