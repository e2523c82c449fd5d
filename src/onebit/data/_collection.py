"""What onebit knows of a published data set, and how its files are found on this machine."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from onebit._registry import Registry
from onebit.data._content import content_sha256
from onebit.data._download import RemoteFile

Read = Callable[[Sequence[Path], str], tuple[Tensor, Tensor]]
"""(files of a split, its name) -> images uint8 (N, C, H, W) and labels int64 (N,)."""


@dataclass(frozen=True)
class Form:
    """One form in which the files of a data set lie on disk, such as an archive or the folder that was in it.

    folders: where the files may lie below a root, in the order they are tried; "" is the root itself.
    splits: the files of each split, in the order `read` wants them.
    """

    folders: tuple[str, ...]
    splits: Mapping[str, tuple[RemoteFile, ...]]
    read: Read


@dataclass(frozen=True)
class Collection:
    """A published data set.

    name: registered name. classes: class names, by label.
    shape: (C, H, W) of its pictures.
    folders, splits, read: the form that downloads bring, see `Form`.
    home: the one of `folders` that downloads go to (torchvision's, so that both share the files).
    mirrors: URL prefixes, in the order they are tried.
    also: other forms, which are looked for first.
    sample: a folder of the package with a small sample in the same files, if there is one.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    folders: tuple[str, ...]
    home: str
    mirrors: tuple[str, ...]
    splits: Mapping[str, tuple[RemoteFile, ...]]
    read: Read
    also: tuple[Form, ...] = ()
    sample: Path | None = None

    @property
    def forms(self) -> tuple[Form, ...]:
        """All forms, in the order they are looked for."""
        return (*self.also, Form(self.folders, self.splits, self.read))


COLLECTIONS: Registry[Collection] = Registry("data set")


@dataclass(frozen=True)
class Search:
    """Outcome of a search: the files of the split (empty if not found), the form they have, and a phrase for each
    folder looked in.
    """

    paths: tuple[Path, ...]
    looked: tuple[str, ...]
    form: Form | None = None


def look_for(collection: Collection, split: str, root: Path) -> Search:
    """Look for all files of the split in each of the collection's folders below `root`, packed or unpacked."""
    looked: list[str] = []
    for form in collection.forms:
        files = form.splits[split]
        for folder in (root / name for name in form.folders):
            paths = files_in(folder, files)
            missing = [file.name for file, path in zip(files, paths, strict=True) if path is None]
            found = tuple(path for path in paths if path is not None)
            if missing:
                looked.append(f"{folder} ({_lacks(missing) if folder.is_dir() else 'no such folder'})")
            elif owner := _other_owner(collection, split, form, found):
                looked.append(f"{folder} (holds {owner}, whose files have the same names)")
            else:
                return Search(found, tuple(looked), form)
    return Search((), tuple(looked))


def _lacks(names: Sequence[str]) -> str:
    shown = names if len(names) <= 2 else (names[0], f"{len(names) - 1} more")
    return f"lacks {' and '.join(shown)}"


def files_in(folder: Path, files: Sequence[RemoteFile]) -> list[Path | None]:
    """The path of each file in `folder`, without .gz if it lies there unpacked, else with; None if neither."""
    options = ((folder / file.name.removesuffix(".gz"), folder / file.name) for file in files)
    return [next((path for path in pair if path.is_file()), None) for pair in options]


def _other_owner(collection: Collection, split: str, form: Form, paths: Sequence[Path]) -> str | None:
    """The other data set that these files belong to, if they do. Names alone cannot tell: MNIST and Fashion-MNIST
    use the same ones, so a root that holds one set flat would pass for the other. The smallest file decides.
    """
    smallest = min(range(len(paths)), key=lambda i: form.splits[split][i].size)
    name = form.splits[split][smallest].name
    owners = {
        file.sha256: other.name
        for other in COLLECTIONS.values()
        for file in other.splits.get(split, ())
        if file.name == name and other.name != collection.name
    }
    if not owners:
        return None
    try:
        return owners.get(content_sha256(paths[smallest]))
    except (OSError, EOFError, zlib.error):
        return None  # damaged: reading it says how
