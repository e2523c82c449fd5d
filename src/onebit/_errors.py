"""Every error onebit raises on purpose: one class for each thing a user can mend, all under OnebitError.

A message says what arrived, what was expected and what to do, with the caller's own names. Each class also derives
from the builtin a Python programmer would expect, so `except ValueError` keeps working.
"""


class OnebitError(Exception):
    """Base of all deliberate errors; the command line prints it as one paragraph and exits with code 2."""


class ShapeError(OnebitError, ValueError):
    """A tensor has the wrong number of dimensions or a wrong size."""


class DtypeError(OnebitError, TypeError):
    """A tensor has a dtype that the operator or model does not take."""


class OptionError(OnebitError, ValueError):
    """An option or argument has a value outside its range."""


class UnknownName(OnebitError, LookupError):
    """A name is not in a registry (not a KeyError: that one prints its message in quotes)."""


class FormatError(OnebitError, ValueError):
    """A file is truncated, foreign or damaged; the message names the file and what was found in it."""


class DataError(OnebitError, RuntimeError):
    """A data set is absent, or could not be downloaded, or its checksum is wrong."""


class ConversionError(OnebitError, RuntimeError):
    """A network cannot be converted, or the packed network does not compute the same numbers."""


class DivergenceError(OnebitError, ArithmeticError):
    """A training run's numbers are no longer finite; the message names the layer in which that began."""


class NativeError(OnebitError, RuntimeError):
    """libonebit is missing, refused a call, or was asked for an instruction set this CPU lacks."""


class OutputError(OnebitError, OSError):
    """A result cannot be written: no space, no permission, or the target is not a folder."""


class MissingExtra(OnebitError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
