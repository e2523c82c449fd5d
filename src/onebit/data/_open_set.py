"""`open_set`: every set by name, in memory where it fits, else read when needed."""

from __future__ import annotations

import os

from onebit._errors import DataError, OptionError
from onebit._registry import unknown_name
from onebit.data._catalog import FOLDERS, find_folders, find_root, names
from onebit.data._collection import COLLECTIONS
from onebit.data._download import Progress
from onebit.data._folder import folder
from onebit.data._load import load
from onebit.data._pictures import OnError, PictureSet


def open_set(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "train",
    *,
    path: str | os.PathLike[str] | None = None,
    size: int | None = None,
    workers: int = 0,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> PictureSet:
    """The set of that name: what `load` gives, or "imagenet", or with name "folder" the pictures below `path`.

    root, split, progress: see `load`.  path, workers, on_error: see `folder`.
    size: side in pixels of pictures from folders; 224 for imagenet, to be chosen for one's own.

    Raises what `load` and `folder` raise; DataError if imagenet's folders are not found, OptionError for an option
    that the set does not have or needs.
    """
    if name == "folder":
        if path is None or size is None:
            raise OptionError(f"folder: path is {path!r} and size {size!r}. Expected both: where, and how many pixels.")
        return folder(path, size, split, workers=workers, on_error=on_error)
    if path is not None:
        raise OptionError(f"{name}: path is {str(path)!r}, but only the set called folder has one. Use root.")
    if name in FOLDERS:
        known = FOLDERS[name]
        found = find_folders(known, find_root(root))
        if found is None:
            wanted = " or ".join(str(find_root(root) / place) for place in known.folders)
            raise DataError(
                f"{name} was not found. Expected {wanted}, with folders train and val that hold a folder for each "
                f"class. It cannot be downloaded without an account: get it from {known.home}, unpack it there."
            )
        side = size or known.side
        return folder(found, side, split, keep=known.keep, workers=workers, on_error=on_error, name=name)
    if size is not None:
        raise OptionError(f"{name}: size is {size}, but its pictures are in memory as published. Leave size out.")
    if on_error != "raise":
        raise OptionError(f"{name}: on_error is {on_error!r}, but its files hold all pictures. Leave on_error out.")
    if name not in COLLECTIONS:
        raise unknown_name("data set", name, [*names(), "folder"])
    return load(name, root, split, progress=progress)
