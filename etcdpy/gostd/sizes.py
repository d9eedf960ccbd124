"""Sizes in bytes as go-humanize writes them, and with it etcd's logs and tables."""

from __future__ import annotations

__all__ = ["human_size"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_KILO = 1000


def human_size(size: int) -> str:
    """Return ``size`` as ``12 kB``, with a decimal if there is one digit before it."""
    value, unit = float(size), 0
    while value >= _KILO and unit < len(_UNITS) - 1:
        value /= _KILO
        unit += 1
    rounded = int(value * 10 + 0.5) / 10
    decimals = 1 if unit and rounded < 10 else 0
    return f"{rounded:.{decimals}f} {_UNITS[unit]}"
