"""
What reads the words behind a command's name, in the same manner for all commands.

Help comes in groups and fits a terminal of 80 columns; a mistake is told with the nearest of what
there is, and with the usage of the command that it was made in.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["WIDTH", "Parser", "WrongWordsError"]

#: Columns of a terminal, unless somebody has made it wider.
WIDTH = 80


class WrongWordsError(Exception):
    """The words cannot be read; the text says why, and what can be written instead."""


class _Help(argparse.HelpFormatter):
    """The layout of help: paragraphs stay, and no line is wider than :data:`WIDTH`."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=WIDTH)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip("\n").split("\n\n")
        # What is indented is laid out by hand.
        return "\n\n".join(
            textwrap.indent(part, indent)
            if part.startswith(" ")
            else textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent)
            for part in parts
        )


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are raised, whatever command below it they were made in."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, formatter_class=_Help, allow_abbrev=False, **options)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """
        Read all words; argparse asks for this of the parser of each command.

        Raises:
            WrongWordsError: There is a word too many, or another mistake.

        """
        found, rest = self.parse_some(args, namespace)
        if rest:
            # By default the outermost would complain, who does not know what could be meant.
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def parse_some(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """
        Read what is known here, and return it with the words that are not.

        Raises:
            WrongWordsError: Words that are known stand in the wrong way.

        """
        return super().parse_known_args(args, namespace)

    def error(self, message: str, more: Sequence[str] = ()) -> NoReturn:
        """
        Raise what is wrong, with a hint and the usage.

        Args:
            message: What is wrong.
            more: Names of options that others read, without dashes.

        Raises:
            WrongWordsError: Always.

        """
        from etcdpy.cli.hints import hint

        raise WrongWordsError(
            f"{message}\n{hint(message, self, more)}{self.format_usage().rstrip()}"
        )
