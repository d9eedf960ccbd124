"""``--auto-compaction-retention``: how much history is kept. (etcd: parseCompactionRetention)"""

from __future__ import annotations

import re

from etcdpy.config.errors import InvalidConfigError
from etcdpy.gostd.durations import DurationError, parse_go_duration

__all__ = ["parse_retention"]

_HOUR = 3600 * 10**9
# Go: strconv.Atoi, but for the sign, which etcd does not want.
_COUNT = re.compile(r"[+]?0*([0-9]{1,19})")


def parse_retention(mode: str, text: str) -> int:
    """
    Return the retention: revisions in mode ``revision``, nanoseconds in ``periodic``.

    A number counts revisions or hours; no text at all is 0. Anything else is a duration, in
    either mode: what etcd makes of ``5m`` in mode ``revision`` is 300,000,000,000 revisions.

    Raises:
        InvalidConfigError: It is neither; the text is etcd's.

    """
    text = text or "0"
    count = _COUNT.fullmatch(text)
    # A number that is too large for ``strconv.Atoi`` is tried as a duration, and has no unit then.
    if count is not None and int(count[1]) < 2**63:
        return int(count[1]) * (_HOUR if mode == "periodic" else 1)
    try:
        return parse_go_duration(text)
    except DurationError as refusal:
        raise InvalidConfigError(f"error parsing CompactionRetention: {refusal}") from None
