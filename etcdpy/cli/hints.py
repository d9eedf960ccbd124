"""
What was meant by an option or a word that there is not.

Imported only when there is a mistake, as what compares texts takes its time to import.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator

from etcdpy.config.nearest import nearest

__all__ = ["hint", "options_of"]

#: argparse's words, with and without quotes around the choices, which depends on Python's version.
_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


def hint(message: str, parser: argparse.ArgumentParser, more: Iterable[str] = ()) -> str:
    """
    Return a line that names what is most like the first unknown option or word, or nothing.

    Args:
        message: What argparse says is wrong.
        parser: The one that says it.
        more: Names of options that others read, without dashes.

    """
    if choice := _CHOICE.search(message):
        given, choices = choice.groups()
        meant = nearest(given, re.findall(r"[\w-]+", choices))
        return f"Did you mean {meant}?\n" if meant else ""
    known = {word.lstrip("-") for action in options_of(parser) for word in action.option_strings}
    known.update(more)
    for word in re.findall(r"(?<![\w-])--?([a-z][\w-]*)", message, re.IGNORECASE):
        if word not in known:
            meant = nearest(word, sorted(known))
            return f"Did you mean --{meant}?\n" if meant else ""
    return ""


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Iterate over the options of a parser and of the commands below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from options_of(below)
        elif action.option_strings:
            yield action
