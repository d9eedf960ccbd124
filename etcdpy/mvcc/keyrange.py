"""What a key and a range_end select (etcd's range rules)."""

from __future__ import annotations

#: As range_end: every key from ``key`` on.
FROM_KEY = b"\0"


def bounds(key: bytes, range_end: bytes) -> tuple[bytes, bytes | None]:
    """
    Return the half-open interval [start, stop) that a request selects.

    An empty ``range_end`` selects one key, ``FROM_KEY`` everything from ``key`` on (stop
    is then None); a stop at or below start selects nothing, which is no error.
    """
    if not range_end:
        return key, key + b"\0"
    return key, None if range_end == FROM_KEY else range_end


def covers(key: bytes, range_end: bytes, candidate: bytes) -> bool:
    """Tell whether the selection holds ``candidate``."""
    start, stop = bounds(key, range_end)
    return start <= candidate and (stop is None or candidate < stop)
