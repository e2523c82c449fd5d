"""The network of a command: a run's, in floating point, or a packed file's, and what it says about pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from onebit._errors import DataError, OptionError

if TYPE_CHECKING:
    from onebit.data import PictureSet
    from onebit.data._pictures import OnError
    from onebit.runtime import PackedModel


@dataclass(frozen=True)
class Network:
    """What computes scores of uint8 (N, C, H, W), and what tells with which kernels.

    view: tells which pictures it wants, asked only when needed: the (C, H, W), the share `keep` of the shorter side of
        a picture, and the classes, () if unknown.
    """

    scores: Callable[[Tensor], Tensor]
    kernels: Callable[[], dict[str, str]]
    view: Callable[[], tuple[tuple[int, int, int], float, tuple[str, ...]]]


def open_network(path: str, runtime: str, data: str | None, root: str | None) -> Network:
    """The network at `path`, a run folder or an .onnx file, in a runtime of `onebit eval`.

    data: the set whose names of classes count, in place of those that the run or the file tells. root: where sets lie.
    """
    if path.endswith(".onnx"):
        return _packed(path, runtime, data, root)
    if runtime != "torch":
        raise OptionError(f"--runtime {runtime} runs .onnx files; {path!r} is a run folder.")
    from onebit.training import load_run

    model, recipe = load_run(path)

    def view() -> tuple[tuple[int, int, int], float, tuple[str, ...]]:
        try:
            pictures = recipe.data.open("test", root)
        except DataError as error:
            raise DataError(f"{path}: the names of its classes come from its data set. {error}") from None
        return pictures.shape, centre(pictures), _classes(data, root) or pictures.classes

    return Network(torch.no_grad()(model), lambda: {"float32": f"torch {torch.__version__}"}, functools.cache(view))


def centre(pictures: PictureSet) -> float:
    """The share of the shorter side that the pictures of a set keep."""
    return float(getattr(pictures, "keep", 1.0))


def own_pictures(network: Network, folder: str, split: str, on_error: OnError) -> tuple[PictureSet, str]:
    """The pictures of one's own folder as the network wants them, with its numbers for their classes.

    split counts where the folder has folders of training and of test pictures; else all pictures are taken. The second
    result is the one that was taken.
    """
    from onebit import data
    from onebit.data._folder import split_folders

    (channels, height, width), keep, classes = network.view()
    if not classes:
        raise DataError(
            f"--folder {folder}: the network does not name its classes, so folders cannot be matched with them. "
            "Convert its run again, or give --data NAME with the set it was trained on."
        )
    if height != width:
        raise OptionError(f"--folder: the network takes {height} x {width} pixels; folders are read as squares.")
    parts = split_folders(Path(folder).expanduser())
    part = split if len(parts) == 2 else "all"
    pictures = data.folder(folder, height, part, channels=channels, keep=keep, on_error=on_error)
    return data.match_classes(pictures, classes), part


def _packed(path: str, runtime: str, data: str | None, root: str | None) -> Network:
    from onebit.runtime import OrtSession, load

    packed = load(path)

    def view() -> tuple[tuple[int, int, int], float, tuple[str, ...]]:
        return input_shape(path, packed), packed.facts.keep, _classes(data, root) or packed.facts.classes

    if runtime == "torch":
        return Network(torch.no_grad()(packed), packed.kernels, view)
    session = OrtSession(path, native=runtime == "onnxruntime")
    return Network(session, session.kernels, view)


def _classes(data: str | None, root: str | None) -> tuple[str, ...]:
    from onebit.data import open_set

    return open_set(data, root, "test").classes if data else ()


def input_shape(path: str, packed: PackedModel) -> tuple[int, int, int]:
    """The (C, H, W) that the file takes; OptionError if it does not say."""
    shape = packed.input_spec.shape
    if len(shape) != 4 or None in shape[1:]:
        raise OptionError(f"{path}: takes {shape}, which is no size of a picture. Give a run folder instead.")
    _, channels, height, width = shape
    return int(channels or 0), int(height or 0), int(width or 0)
