"""`onebit COMMAND ...`: finds the command, prints errors as one paragraph, returns the exit code.

Exit codes: 0 done, 1 a check said no, 2 the request was wrong, 130 interrupted (Ctrl-C).
It must not know what any command does.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

import onebit
from onebit._errors import OnebitError, OptionError
from onebit._registry import unknown_name
from onebit.cli import _bench, _compare, _convert, _demo, _doctor, _eval, _predict, _summary, _train
from onebit.cli._warnings import plain_warnings

COMMANDS = (_demo, _train, _eval, _predict, _compare, _convert, _summary, _bench, _doctor)


class Parser(argparse.ArgumentParser):
    """argparse, with errors as exceptions and the near miss of an unknown option suggested."""

    def error(self, message: str) -> NoReturn:
        """Raise OptionError in place of argparse's own print and exit."""
        raise OptionError(f"{self.prog}: {message}. See `{self.prog} --help`.")

    def _check_value(self, action: argparse.Action, value: str) -> None:
        """A value outside an option's choices (the commands among them) is an unknown name, with its near miss."""
        if action.choices is not None and value not in action.choices:
            owner = "/".join(action.option_strings) or action.metavar or action.dest
            kind = "command" if action.dest == "command" else f"value of {owner}"
            raise unknown_name(kind, value, action.choices)


def build_parser() -> Parser:
    """The parser of all commands; each command's file adds its own."""
    parser = Parser(
        prog="onebit",
        description="Binarized Neural Networks: train them, convert them to 1 bit, run them.",
        epilog="`onebit demo` shows the whole way in two minutes; `onebit COMMAND --help` tells more of a command.",
    )
    parser.add_argument("--version", action="version", version=f"onebit {onebit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=Parser)
    for module in COMMANDS:
        module.add(commands)
    return parser


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """The parsed arguments; OptionError names an unknown option and the known one nearest to it."""
    args, unknown = parser.parse_known_args(argv)
    if not unknown:
        return args
    known = known_options(parser, args.command)
    option = unknown[0].split("=")[0]
    near = difflib.get_close_matches(option, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    name = f"onebit {args.command}" if args.command else "onebit"
    raise OptionError(f"{name} has no option or argument {unknown[0]!r}.{hint} See `{name} --help`.")


def known_options(parser: Parser, command: str | None) -> list[str]:
    """The option strings of a command ("--json"), for suggestions."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and command in action.choices:
            return list(action.choices[command]._option_string_actions)
    return list(parser._option_string_actions)


def paragraph(text: str) -> str:
    """One error as one wrapped paragraph: no traceback, no stray line breaks."""
    width = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(
        f"onebit: error: {' '.join(text.split())}", width, break_long_words=False, break_on_hyphens=False
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    try:
        args = parse(parser, sys.argv[1:] if argv is None else argv)
        if args.command is None:
            parser.print_help()
            return 2
        with plain_warnings():
            return int(args.run(args))
    except OnebitError as error:
        print(paragraph(str(error)), file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(paragraph(str(interrupt) or "interrupted").replace("error: ", "", 1), file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) went away: not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
