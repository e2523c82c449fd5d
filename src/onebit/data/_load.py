"""`load`: from a name to a data set in memory, by way of the disk, the mirrors or the packaged sample."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path

from onebit._errors import DataError, FormatError, OutputError
from onebit._registry import unknown_name
from onebit.data._catalog import find_root
from onebit.data._collection import COLLECTIONS, Collection, Form, files_in, look_for
from onebit.data._dataset import Dataset
from onebit.data._download import Progress, UnreachableError, fetch


@functools.cache
def warn_once(line: str) -> None:
    """Warn the caller of `load`, the first time only: the training and the test split give the same line."""
    warnings.warn(line, stacklevel=4)


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "train",
    download: bool = True,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = warn_once,
) -> Dataset:
    """The data set called `name`, whole in memory.

    root: folder to look in and download to; else the environment variable ONEBIT_DATA, else onebit/data in the
        user's cache folder (XDG_CACHE_HOME or ~/.cache). Its files may lie in it directly, in root/<name>, or in
        torchvision's layout (root/MNIST/raw), with or without .gz; docs/data.md lists them for every set.
    split: "train" or "test"; svhn has "extra" and "train+extra" too.
    download: whether absent files are fetched from the set's mirrors, checked by checksum.
    progress: called as progress(file name, bytes done, bytes in all) during a download.
    notify: called with one line when "mnist" is neither found nor downloadable and the sample of 6,000 + 1,000
        digits in the package is used instead (`Dataset.source` says so too); by default a warning.

    Raises UnknownName for `name` or `split`; DataError if there is no such data, naming what was searched;
    FormatError for a damaged, foreign or hostile file; OutputError if a download cannot be written and there is no
    sample to use instead (if there is one, the line says why it is used).
    """
    collection = COLLECTIONS[name]
    return load_collection(collection, find_root(root), split, download, progress, notify)


def load_collection(
    collection: Collection,
    root: Path,
    split: str,
    download: bool,
    progress: Progress | None,
    notify: Callable[[str], None],
) -> Dataset:
    """`load` with its choices made."""
    if split not in collection.splits:
        raise unknown_name(f"split of {collection.name}", split, collection.splits)
    search = look_for(collection, split, root)
    if search.form is not None:
        return _read(collection, split, search.form, search.paths)
    reason, failure = "is not to be downloaded", "downloading was not allowed"
    if download:
        try:
            return _read(collection, split, collection.forms[-1], _fetch(collection, split, root, progress))
        except UnreachableError as error:
            reason, failure = "could not be downloaded (no mirror delivered it)", f"downloading failed: {error}"
        except OutputError as error:
            if collection.sample is None:
                raise
            reason = f"could not be downloaded ({str(error).rstrip('.')})"
    if collection.sample is None:
        wanted = " and ".join(file.name for file in collection.splits[split])
        looked = ", ".join(dict.fromkeys(search.looked))
        raise DataError(
            f"{collection.name} ({split}) was not found: searched {looked}; {failure.rstrip('.')}. "
            f"Put {wanted} (packed or unpacked) into one of these folders, or pass root= or set ONEBIT_DATA to the "
            "folder that holds them."
        )
    notify(
        f"{collection.name}: the full set is not in {root} and {reason}; using the packaged sample of 6,000 + 1,000 "
        "pictures. Set ONEBIT_DATA to a folder with the full set to use that."
    )
    return _sample(collection, split, collection.sample)


def _sample(collection: Collection, split: str, folder: Path) -> Dataset:
    paths = tuple(path for path in files_in(folder, collection.splits[split]) if path is not None)
    images, labels = collection.read(paths, split)
    source = f"packaged sample: {len(labels):,} pictures of the official {split} split"
    return Dataset(images, labels, collection.classes, collection.name, source)


def _fetch(collection: Collection, split: str, root: Path, progress: Progress | None) -> tuple[Path, ...]:
    """Download what the collection's home lacks; a file that is there is the user's, and stays."""
    folder = root / collection.home
    files = collection.splits[split]
    return tuple(
        path or fetch(file, collection.mirrors, folder, progress=progress)
        for file, path in zip(files, files_in(folder, files), strict=True)
    )


def _read(collection: Collection, split: str, form: Form, paths: tuple[Path, ...]) -> Dataset:
    images, labels = form.read(paths, split)
    if images.shape[1:] != collection.shape:
        raise FormatError(f"{paths[0]}: pictures are {tuple(images.shape[1:])}; expected {collection.shape}.")
    verdicts = {file.is_equal_to(path) for file, path in zip(form.splits[split], paths, strict=True)}
    if False in verdicts:
        state = "NOT the official ones: their checksums differ"
    elif None in verdicts:
        state = "not compared with the official ones: no checksums are published for these files"
    else:
        state = "equal to the official ones"
    names = [path.name for path in paths]
    files = " and ".join(names) if len(names) <= 2 else f"{names[0]} to {names[-1]}"
    return Dataset(images, labels, collection.classes, collection.name, f"{files} in {paths[0].parent}, {state}")
