"""The command line: one file per command, each a thin shell around the public Python interface."""

from onebit.cli._main import main as main
