"""What data sets there are, what their pictures look like and where they would come from; nothing is read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from onebit._registry import Registry
from onebit.data import _cifar as _cifar  # these three register their collections
from onebit.data import _mnist as _mnist
from onebit.data import _svhn as _svhn
from onebit.data._collection import COLLECTIONS, look_for
from onebit.data._folder import split_folders


@dataclass(frozen=True)
class FolderSet:
    """A published set of pictures in folders: too large for memory, and not to be downloaded without an account.

    folders: where it may lie below a root.  side: pixels of its pictures by default.  keep: see `Pictures`.
    """

    folders: tuple[str, ...]
    side: int
    keep: float
    home: str


FOLDERS: Registry[FolderSet] = Registry("data set in folders")
FOLDERS.register("imagenet")(
    FolderSet(("imagenet", "ImageNet", "ILSVRC2012"), 224, 224 / 256, "https://image-net.org/download.php")
)


def names() -> list[str]:
    """The names that `open_set` knows; `load` knows those that fit into memory, which are all but imagenet."""
    return sorted([*COLLECTIONS, *FOLDERS])


def picture_shape(name: str) -> tuple[int, int, int]:
    """(C, H, W) of the pictures of a data set; raises UnknownName."""
    return (3, FOLDERS[name].side, FOLDERS[name].side) if name in FOLDERS else COLLECTIONS[name].shape


def find_folders(known: FolderSet, root: Path) -> Path | None:
    """The folder of the set below `root` that has both splits."""
    return next((root / place for place in known.folders if len(split_folders(root / place)) == 2), None)


def find_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of data: the argument, else ONEBIT_DATA, else onebit/data in the user's cache folder."""
    if root is not None:
        return Path(root).expanduser()
    if chosen := os.environ.get("ONEBIT_DATA"):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "onebit" / "data"


def locate(name: str, root: str | os.PathLike[str] | None = None) -> str:
    """One phrase for where `load` would take a data set from: the folder that holds both splits, else what
    stands in for it. Looks at names and at the smallest file only, and never at the network; raises UnknownName.
    """
    folder = find_root(root)
    if name in FOLDERS:
        return str(find_folders(FOLDERS[name], folder) or f"train and val not in {folder / FOLDERS[name].folders[0]}")
    collection = COLLECTIONS[name]
    found = {split: look_for(collection, split, folder).paths for split in ("train", "test")}
    if all(found.values()):
        return " and ".join(sorted({str(paths[0].parent) for paths in found.values()}))
    absent = " and ".join(split for split, paths in found.items() if not paths)
    instead = "; packaged sample if it cannot be downloaded" if collection.sample else ""
    return f"{absent} not in {folder}{instead}"
