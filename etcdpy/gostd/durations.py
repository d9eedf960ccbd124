"""Durations as Go writes and reads them: ``1h30m``, ``1.5s``, ``12.5µs``. (Go: ``time``)"""

from __future__ import annotations

import re

from etcdpy.gostd.quoting import go_quote

__all__ = ["DurationError", "go_duration", "parse_go_duration"]

_UNITS = {
    "ns": 1,
    "us": 10**3,  # and either of the two characters for micro
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_MOST = 2**63

#: A number and what follows it up to the next one.
_PART = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]*)")
#: More digits than either side of the point needs; Python refuses to read a few thousand.
_DIGITS = 20


class DurationError(ValueError):
    """The text is no duration; the message is that of Go's ``time.ParseDuration``."""


def go_duration(seconds: float) -> str:
    """
    Write seconds to the nanosecond: ``1h0m0s``, ``1.5s``, ``20ms``, ``12.5µs``.

    (Go: ``time.Duration.String``)
    """
    nanoseconds = round(seconds * 1e9)
    if nanoseconds < 0:
        return f"-{go_duration(-seconds)}"
    if nanoseconds < 10**9:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _UNITS[unit]:
                return f"{_decimal(nanoseconds, _UNITS[unit])}{unit}"
        return "0s"
    minutes, rest = divmod(nanoseconds, _UNITS["m"])
    text = f"{_decimal(rest, _UNITS['s'])}s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    digits = f"{rest:0{len(str(unit)) - 1}}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def parse_go_duration(text: str) -> int:
    """
    Read a duration and return its nanoseconds: ``1h30m``, ``.5s``, ``-1m``; 0 needs no unit.

    (Go: ``time.ParseDuration``)

    Raises:
        DurationError: It is none, or is longer than 292 years.

    """
    sign, body = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if body == "0":
        return 0
    nanoseconds, position = 0, 0
    while position < len(body) or not body:
        part = _PART.match(body, position)
        assert part is not None
        nanoseconds += _nanoseconds(part, text)
        position = part.end()
    if nanoseconds > _MOST - (sign > 0):
        raise DurationError(f"time: invalid duration {go_quote(text)}")
    return sign * nanoseconds


def _nanoseconds(part: re.Match[str], text: str) -> int:
    """Return what one part of ``text``, such as ``1.5h``, stands for."""
    fraction: str = (part["fraction"] or "")[:_DIGITS]
    whole = int(part["whole"].lstrip("0")[:_DIGITS] or "0")
    if not (part["whole"] or fraction) or whole > _MOST:
        raise DurationError(f"time: invalid duration {go_quote(text)}")
    if not part["unit"]:
        raise DurationError(f"time: missing unit in duration {go_quote(text)}")
    unit = _UNITS.get(part["unit"])
    if unit is None:
        raise DurationError(
            f"time: unknown unit {go_quote(part['unit'])} in duration {go_quote(text)}"
        )
    divisor: int = 10 ** len(fraction)
    return whole * unit + int(fraction or "0") * unit // divisor
