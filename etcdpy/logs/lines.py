"""
A line of the log, and what takes lines.

::

    LineHandler ---- Line ----> Descriptor, RotatedFile or SystemdJournal

A writing thread hands lines over one by one, and may be held up there as long as it takes.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Line", "Output"]


class Line(NamedTuple):
    """
    A line, without its end.

    Attributes:
        text: What to write.
        level: The standard library's number for how bad it is.
        source: The directory of the file that logged it.

    """

    text: str
    level: int
    source: str


class Output(Protocol):
    """Takes lines."""

    @property
    def is_sampled(self) -> bool:
        """Whether a storm of lines is to be thinned out."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees the lines as they are written."""

    def write(self, line: Line) -> None:
        """Write a line, as well as that can be done; nobody could be told of a failure."""
