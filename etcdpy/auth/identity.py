"""Who a token or a certificate says that a caller is."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Identity"]


class Identity(NamedTuple):
    """
    Whom a caller stands for.

    Attributes:
        user: Its name; that there is such a user is not said.
        revision: The auth revision as of which that was found out, which a signed token names;
            None if it was found out now, and holds at whatever the revision is.

    """

    user: str
    revision: int | None
