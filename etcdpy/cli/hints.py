"""
What was meant by an option that there is not.

Imported only when there is a mistake, as what compares texts takes its time to import.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Iterator

__all__ = ["hint", "nearest", "options_of"]


def hint(message: str, parser: argparse.ArgumentParser) -> str:
    """
    Return a line that names the option most like the first unknown one, or nothing.

    Args:
        message: What argparse says is wrong.
        parser: The one that says it.

    """
    known = {word for action in options_of(parser) for word in action.option_strings}
    for word in re.findall(r"--?[a-z][\w-]*", message, re.IGNORECASE):
        if word not in known:
            meant = nearest(word.lstrip("-"), [option.lstrip("-") for option in known])
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


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that was most likely meant, if any is near enough."""
    found = difflib.get_close_matches(name.lower().replace("_", "-"), names, 1, 0.7)
    return found[0] if found else None
