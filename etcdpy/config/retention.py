"""``--auto-compaction-retention``: how much history is kept. (etcd: parseCompactionRetention)"""

from __future__ import annotations

import re

from etcdpy.config.errors import InvalidConfigError
from etcdpy.config.values import BadValueError, Duration, quote

__all__ = ["parse_retention"]

_HOUR = 3600 * 10**9
# Go: strconv.Atoi, but for the sign, which etcd does not want.
_COUNT = re.compile(r"[+]?[0-9]+")


def parse_retention(mode: str, text: str) -> int:
    """
    Return the retention: revisions in mode ``revision``, nanoseconds in ``periodic``.

    A number counts revisions or hours; no text at all is 0. Anything else is a duration, in
    either mode: what etcd makes of ``5m`` in mode ``revision`` is 300,000,000,000 revisions.

    Raises:
        InvalidConfigError: It is neither; the text is etcd's.

    """
    text = text or "0"
    if _COUNT.fullmatch(text) and int(text) < 2**63:
        return int(text) * (_HOUR if mode == "periodic" else 1)
    try:
        return round(Duration().parse(text) * 1e9)
    except BadValueError:
        raise InvalidConfigError(f"error parsing CompactionRetention: {_why(text)}") from None


def _why(text: str) -> str:
    """Say what is wrong in the words of Go's ``time.ParseDuration``."""
    part = re.match(r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))*", text)
    assert part is not None
    rest = text[part.end() :]
    number = re.match(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)", rest)
    if number is None or not text:
        return f"time: invalid duration {quote(text)}"
    if not number[1]:
        return f"time: missing unit in duration {quote(text)}"
    return f"time: unknown unit {quote(number[1])} in duration {quote(text)}"
