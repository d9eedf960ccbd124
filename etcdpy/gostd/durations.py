"""Durations as etcd's log shows them. (Go: ``time.Duration.String``)"""

from __future__ import annotations

__all__ = ["go_duration"]

_MINUTE = 60 * 10**9


def go_duration(seconds: float) -> str:
    """Write seconds to the nanosecond: ``1h0m0s``, ``1.5s``, ``20ms``, ``12.5µs``."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds < 0:
        return f"-{go_duration(-seconds)}"
    if nanoseconds < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanoseconds >= size:
                return f"{_decimal(nanoseconds, size)}{unit}"
        return "0s"
    minutes, rest = divmod(nanoseconds, _MINUTE)
    text = f"{_decimal(rest, 10**9)}s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    digits = f"{rest:0{len(str(unit)) - 1}}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
