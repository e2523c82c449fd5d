"""The command line: one file per command, each a thin shell around the public Python interface."""

from onebit.cli import _waiting as _waiting  # first: OpenMP reads its settings when torch is loaded

# isort: split
from onebit.cli._main import main as main
