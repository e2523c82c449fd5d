"""Window: where a sliding kernel stands on an image, and how large its result is; convolution and pooling share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onebit._errors import OptionError, ShapeError

PAD_VALUES = (0, 1, -1)


class Padding(NamedTuple):
    """Rows and columns added on each side of an image."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


NONE = Padding()


@dataclass(frozen=True)
class Window:
    """A kernel of (rows, columns) taps that moves by `stride`; its taps stand `dilation` apart.

    Raises OptionError for a wrong number of values, a negative padding, or another value below 1.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = NONE
    dilation: tuple[int, int] = (1, 1)

    @classmethod
    def of(
        cls, op: str, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
    ) -> Window:
        """The window that an operator's arguments describe; `op` begins the messages."""
        return cls(
            _pair(op, "kernel", kernel),
            _pair(op, "stride", stride),
            _sides(op, padding),
            _pair(op, "dilation", dilation),
        )

    @property
    def taps(self) -> int:
        """Number of places under the kernel."""
        return self.kernel[0] * self.kernel[1]

    def output(self, op: str, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the result: floor((size + padding - dilation * (kernel - 1) - 1) / stride) + 1.

        Raises ShapeError if the kernel does not fit the padded image.
        """
        covered = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        padded = (height + self.padding.top + self.padding.bottom, width + self.padding.left + self.padding.right)
        if height < 1 or width < 1 or padded[0] < covered[0] or padded[1] < covered[1]:
            raise ShapeError(
                f"{op}: the image has {height} x {width} places, {padded[0]} x {padded[1]} with its padding "
                f"{list(self.padding)}; the kernel {list(self.kernel)} with dilation {list(self.dilation)} covers "
                f"{covered[0]} x {covered[1]}, so no output is left. Use a smaller kernel or more padding."
            )
        return (padded[0] - covered[0]) // self.stride[0] + 1, (padded[1] - covered[1]) // self.stride[1] + 1


def _pair(op: str, name: str, values: Sequence[int]) -> tuple[int, int]:
    if len(values) != 2 or min(values) < 1:
        raise OptionError(f"{op}: {name} is {list(values)}; expected [rows, columns], both at least 1.")
    return values[0], values[1]


def _sides(op: str, values: Sequence[int]) -> Padding:
    if len(values) != 4 or min(values) < 0:
        raise OptionError(f"{op}: padding is {list(values)}; expected [top, bottom, left, right], none below 0.")
    return Padding(*values)
