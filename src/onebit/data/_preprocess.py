"""What happens to every picture on its way into a network, in training and in use: steps that may learn from the
training pictures, and keep what they learned in the network's state. Knows nothing of files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit._registry import Registry
from onebit.data._pictures import PictureSet
from onebit.data._steps import build_steps

CHUNK = 500  # pictures at a time while learning: more are slower, for their intermediates leave the caches

Chunks = Callable[[], Iterator[Tensor]]
"""Gives the training pictures once, as float32 (n, C, H, W), as they arrive at a step."""


class Learned(nn.Module):
    """Base of what keeps tensors that are learned, not trained: absent until then, of any shape in a state dict."""

    learned: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        for name in self.learned:
            self.register_buffer(name, None)

    def require(self, name: str) -> Tensor:
        """The learned tensor; raises OptionError if there is none yet."""
        value = getattr(self, name)
        if value is None:
            raise OptionError(
                f"{type(self).__name__} has learned nothing yet. Call `fit` of the Preprocess with the training "
                "pictures, or load a state dict."
            )
        kept: Tensor = value
        return kept

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in self.learned:
            if (value := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(value))
        super()._load_from_state_dict(state_dict, prefix, *args)


class Step(Learned):
    """Base of the steps: float32 (N, C, H, W) -> float32 of the same shape, each picture by itself."""

    def fit(self, chunks: Chunks) -> None:
        """Learn from the training pictures; most steps have nothing to learn."""


PREPROCESSING: Registry[Callable[..., Step]] = Registry("preprocessing step")


class Preprocess(Learned):
    """Steps one behind the other: uint8 pixels (N, C, H, W), or flat (N, C H W), -> float32 of the same shape.

    It stands where a network has `nn.Pixels`, so that it is part of the network: its state dict holds what was learned.
    Autocast does not reach it. Raises DtypeError for anything but uint8, ShapeError for pictures of another shape than
    the ones it learned from, OptionError before `fit`.
    """

    learned = ("shape",)
    shape: Tensor

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self._shape: tuple[
            int, ...
        ] = ()  # that of the buffer: reading it there would wait for the device at every step

    def fit(self, pictures: PictureSet | Tensor) -> Preprocess:
        """Let every step learn from the training pictures as the steps before it leave them; returns this object.

        The pictures are passed through in chunks, so the memory needed is that of the uint8 pictures. The result is
        the same on every run on one machine with one number of threads.
        """
        if len(pictures) == 0:
            raise OptionError("Preprocess cannot learn from no pictures.")
        shape, device = (
            (pictures.shape[1:], pictures.device)
            if isinstance(pictures, Tensor)
            else (pictures.shape, pictures.labels.device)
        )
        with torch.no_grad():
            self.shape, self._shape = torch.tensor(shape, dtype=torch.int64, device=device), tuple(shape)
            for depth, step in enumerate(cast("Iterable[Step]", self.steps)):
                step.fit(partial(self._chunks, pictures, depth))
        return self

    def _chunks(self, pictures: PictureSet | Tensor, depth: int) -> Iterator[Tensor]:
        """The pictures behind the first `depth` steps."""
        for part in torch.split(pictures, CHUNK) if isinstance(pictures, Tensor) else pictures.chunks(CHUNK):
            yield self._through(part, depth)

    def _through(self, images: Tensor, depth: int) -> Tensor:
        x = images.to(torch.float32)
        for step in self.steps[:depth]:
            x = step(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Uint8 -> float32, same shape."""
        if x.dtype != torch.uint8:
            raise DtypeError(f"Preprocess: input has dtype {x.dtype}. Expected torch.uint8, the raw 0..255 pixels.")
        shape = self._shape
        if not shape:
            self.require("shape")
        if tuple(x.shape[1:]) not in (shape, (math.prod(shape),)):
            expected = ", ".join(map(str, ("N", *shape)))
            raise ShapeError(f"Preprocess: input has shape {tuple(x.shape)}. Expected ({expected}).")
        pictures = x.reshape(-1, *shape)
        if not torch.is_autocast_enabled(x.device.type):
            return self._through(pictures, len(self.steps)).reshape(x.shape)
        with torch.autocast(x.device.type, enabled=False):
            return self._through(pictures, len(self.steps)).reshape(x.shape)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if (shape := state_dict.get(prefix + "shape")) is not None:
            self._shape = tuple(shape.tolist())


def preprocess(steps: Sequence[Any]) -> Preprocess:
    """A `Preprocess` from plain values, as recipes write them: [{"gcn": 55}, "zca"].

    The names are gcn, lcn, normalise, unit and zca. Raises UnknownName or OptionError.
    """
    return Preprocess(build_steps(PREPROCESSING, steps, "preprocess"))


def first_of(chunks: Chunks) -> tuple[Tensor, Iterator[Tensor]]:
    """The first chunk, which tells shape and device, and all of them."""
    every = chunks()
    first = next(every)
    return first, chain([first], every)
