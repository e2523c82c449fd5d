"""What data sets there are, what their pictures look like and where they would come from; nothing is read."""

from __future__ import annotations

import os
from pathlib import Path

from onebit.data import _cifar as _cifar  # these three register their collections
from onebit.data import _mnist as _mnist
from onebit.data import _svhn as _svhn
from onebit.data._collection import COLLECTIONS, look_for


def names() -> list[str]:
    """The names that `load` knows."""
    return list(COLLECTIONS)


def picture_shape(name: str) -> tuple[int, int, int]:
    """(C, H, W) of the pictures of a data set; raises UnknownName."""
    return COLLECTIONS[name].shape


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
    collection, folder = COLLECTIONS[name], find_root(root)
    found = {split: look_for(collection, split, folder).paths for split in ("train", "test")}
    if all(found.values()):
        return " and ".join(sorted({str(paths[0].parent) for paths in found.values()}))
    absent = " and ".join(split for split, paths in found.items() if not paths)
    instead = "; packaged sample if it cannot be downloaded" if collection.sample else ""
    return f"{absent} not in {folder}{instead}"
