"""One row of the table of settings: what a flag is called, how it is read, what it does."""

from __future__ import annotations

from typing import NamedTuple

from etcdpy.config.urls import parse_urls
from etcdpy.config.values import Kind, Texts, UrlList

__all__ = ["SECTIONS", "Setting", "make_setting"]

MEMBER, CLUSTERING, SECURITY, AUTH = "Member", "Clustering", "Security", "Auth"
MONITORING, LOGGING = "Profiling and Monitoring", "Logging"
FEATURES, UNSAFE = "Features", "Unsafe feature"
#: The headings of the help, in order.
SECTIONS = (MEMBER, CLUSTERING, SECURITY, AUTH, MONITORING, LOGGING, FEATURES, UNSAFE)


class Setting(NamedTuple):
    """
    One row of the table.

    Attributes:
        section: The heading it stands under in the help.
        kind: How its text is read.
        default: Its value when it is not given.
        shown: The default as the help shows it.
        help: What it does, a sentence or two.
        honoured: False if it is accepted, validated, and without effect here.
        refused: Whether it is refused instead, if it is given in earnest.

    """

    section: str
    kind: Kind
    default: object
    shown: str
    help: str
    honoured: bool
    refused: bool

    @property
    def remark(self) -> str:
        """What is to be said of it besides its help, if anything."""
        if self.refused:
            return "Refused if given."
        return "" if self.honoured else "Accepted, without effect."


def make_setting(
    section: str,
    kind: Kind,
    default: str,
    help: str,  # noqa: A002 - the word for it everywhere else
    *,
    shown: str | None = None,
    honoured: bool = True,
    refused: bool = False,
) -> Setting:
    """
    Return a row of the table.

    Args:
        section: The heading it stands under.
        kind: How its text is read.
        default: Its default, written as a user would write it.
        help: What it does, a sentence or two.
        shown: The default as the help shows it, if that differs.
        honoured: False if it has no effect here.
        refused: Whether it is refused if given in earnest.

    Raises:
        BadValueError: The default is no value of its kind.

    """
    # ``UrlList`` takes an empty text for "keep the default", and this is what makes the default.
    if isinstance(kind, UrlList):
        value: object = parse_urls(default) if default else ()
    else:
        # An empty text in a list is one text; by default there is none.
        value = () if isinstance(kind, Texts) and not default else kind.parse(default)
    shown = default if shown is None else shown
    return Setting(section, kind, value, shown, help, honoured, refused)
