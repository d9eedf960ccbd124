"""
Keeping a storm of lines small.

Of lines with the same level and message the first hundred of each second are written, and from
there on every hundredth. (etcd: ``zap.SamplingConfig{Initial: 100, Thereafter: 100}``)
"""

from __future__ import annotations

import logging

__all__ = ["Sampler"]

INITIAL = 100
THEREAFTER = 100


class Sampler(logging.Filter):
    """
    Passes the first ``INITIAL`` records of a kind in a second, then one in ``THEREAFTER``.

    The time is that in the records: no clock is read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = -1
        self._counts: dict[tuple[int, object], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be written."""
        if (second := int(record.created)) != self._second:
            self._second = second
            # Which also bounds the table by what is logged in a second.
            self._counts.clear()
        kind = record.levelno, record.msg
        try:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
        except TypeError:  # a message that cannot be a key is not a text, and rare
            return True
        return count <= INITIAL or (count - INITIAL) % THEREAFTER == 0
