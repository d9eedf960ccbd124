"""What the report of a failed test says of its etcd: what was asked last, and what is there now."""

from __future__ import annotations

from typing import Final

from etcdpy.testing.data import as_text
from etcdpy.testing.etcd import Etcd
from etcdpy.testing.requests import Request

__all__ = ["sections"]

#: Requests, keys and lines of the log that are shown.
REQUESTS: Final = 20
KEYS: Final = 20
LINES: Final = 10


def sections(etcd: Etcd) -> list[tuple[str, str]]:
    """Return what to add to a report, as titles and texts."""
    try:
        where = f"etcd at {etcd.endpoint}"
    except RuntimeError:
        return []
    requests = list(etcd.requests)
    found = [
        (f"requests to {where}", _requests(requests)),
        (f"keys of {where}", _keys(etcd, requests)),
    ]
    if lines := list(etcd.log)[-LINES:]:
        found.append((f"log of {where}", "\n".join(lines)))
    return found


def _requests(requests: list[Request]) -> str:
    if not requests:
        return "there was none"
    shown = requests[-REQUESTS:]
    first = [f"... {len(requests) - len(shown)} before"] if len(shown) < len(requests) else []
    start = requests[0].time
    return "\n".join([*first, *(f"{one.time - start:9.3f}s  {one}" for one in shown)])


def _keys(etcd: Etcd, requests: list[Request]) -> str:
    """Return the state of the keys that the last requests named."""
    try:
        pairs = etcd.pairs()
    except Exception as error:  # noqa: BLE001 - it may be down, which the test may have wanted
        return f"unknown: {error}"
    named = [key for request in requests[-REQUESTS:] for key in request.keys]
    lines = [f"revision {etcd.revision}, {len(pairs)} keys"]
    shown = sorted(
        {key for key, end in named if not end}
        | {key for key in pairs if any(_is_in(key, start, end) for start, end in named)}
    )
    for key in shown[:KEYS]:
        value = pairs.get(key)
        lines.append(
            f"{as_text(key)!r}: {'(not there)' if value is None else repr(as_text(value))}"
        )
    if len(shown) > KEYS:
        lines.append(f"... {len(shown) - KEYS} more")
    return "\n".join(lines)


def _is_in(key: bytes, start: bytes, end: bytes) -> bool:
    return key == start if not end else start <= key and (end == b"\0" or key < end)
