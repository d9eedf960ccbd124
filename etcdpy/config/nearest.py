"""
Which of the names that there are was meant by one that there is not.

Imported only when there is a mistake, as what compares texts takes its time to import.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """
    Return the one of ``names`` that was most likely meant, if any is near enough.

    Args:
        name: As it was written; case does not count, nor whether words are joined by ``_``.
        names: Those that there are, in small letters and with ``-``.

    """
    found = difflib.get_close_matches(name.lower().replace("_", "-"), names, 1, 0.7)
    return found[0] if found else None
