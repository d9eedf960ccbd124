"""``etcdpy audit``: asks an audit log who has written or deleted a key."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from etcdpy.cli.audit_query import Found, Keys, Query
from etcdpy.cli.parser import Parser, WrongWordsError
from etcdpy.clock import SystemClock
from etcdpy.gostd.durations import DurationError, parse_go_duration
from etcdpy.gostd.quoting import go_quote
from etcdpy.logs.audit_reader import AuditReader, Entry, UnreadableError

__all__ = ["main", "make_parser"]

#: As grep's.
EXIT_FOUND = 0
EXIT_NOT_FOUND = 1
EXIT_ERROR = 2
#: What a shell makes of a program that SIGINT ends.
EXIT_INTERRUPTED = 130


class _Refused(Exception):  # noqa: N818 - reads as what happened
    """The question cannot be asked; the text says why."""


def main(arguments: Sequence[str]) -> int:
    """Run ``etcdpy audit`` with the words behind it and return the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        options = make_parser().parse_args(arguments)
        return _answer(options, _query(options))
    except (_Refused, WrongWordsError, UnreadableError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:
        # Whoever reads has enough. What is buffered would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FOUND
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _answer(options: argparse.Namespace, query: Query) -> int:
    reader = AuditReader(options.path)
    is_found, doubtful = False, 0
    for entry in reader:
        found = query.find(entry.fields)
        if found is None:
            continue
        if found.is_doubtful:
            doubtful += 1
            continue
        for line in _shown(entry, found, is_first=not is_found, as_json=options.json):
            print(line)
        is_found = True
    sys.stdout.flush()
    if reader.torn:
        _note(f"{reader.torn} lines were cut short by a crash or a full disk, and are left out")
    if doubtful:
        _note(f"{doubtful} changes had more keys than are listed, and may be about this one, too")
    return EXIT_FOUND if is_found else EXIT_NOT_FOUND


def _note(text: str) -> None:
    print(f"Note: {text}", file=sys.stderr)


# ---------------------------------------------------------------------------- question


def _query(options: argparse.Namespace) -> Query:
    return Query(_keys(options), _since(options.since), options.user, options.refused)


def _keys(options: argparse.Namespace) -> Keys | None:
    if options.key is None:
        if options.prefix or options.base64:
            raise _Refused("--prefix and --base64 are about --key")
        return None
    # Arguments are bytes; those that are no UTF-8 come through, too.
    key = os.fsencode(options.key)
    if options.base64:
        try:
            key = b64decode(key, validate=True)
        except ValueError:
            raise _Refused(f"--key {options.key} is no base64") from None
    return Keys.below(key) if options.prefix else Keys.one(key)


def _since(text: str) -> str:
    """Return a moment as the log writes it, from one as people do, or from a time ago."""
    if not text:
        return ""
    try:
        ago = parse_go_duration(text) / 1e9
        moment = datetime.fromtimestamp(SystemClock.wall() - ago, timezone.utc)
    except (DurationError, ValueError, OverflowError, OSError):
        moment = _moment(text)
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}Z"


def _moment(text: str) -> datetime:
    try:
        # Before 3.11 Python reads no Z.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1] in "Zz" else text)
    except ValueError:
        raise _Refused(
            f"--since {text} is neither a moment, such as 2026-11-21T07:50:34Z, nor a time ago, "
            "such as 2h"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def make_parser() -> Parser:
    """Return what reads the words behind the command's name."""
    parser = Parser(
        "etcdpy audit",
        description="Ask an audit log, with its full files, who has written or deleted a key.",
        epilog="Exit status: 0 if there is an answer, 1 if there is none, 2 on errors.",
    )
    parser.add_argument("path", type=Path, help="what --audit-log of the server names")
    keys = parser.add_argument_group("which keys")
    keys.add_argument("--key", help="changes of this key; without it of all")
    keys.add_argument("--prefix", action="store_true", help="of all keys that begin with it")
    keys.add_argument("--base64", action="store_true", help="the key is given in base64")
    changes = parser.add_argument_group("which changes")
    changes.add_argument(
        "--since", metavar="WHEN", default="", help="only later ones: a moment, or a time ago (2h)"
    )
    changes.add_argument("--user", help="only those of this user")
    changes.add_argument("--refused", action="store_true", help="what was refused, too")
    shown = parser.add_argument_group("how they are shown")
    shown.add_argument("--json", action="store_true", help="the lines as they are in the log")
    return parser


# ------------------------------------------------------------------------------ answer

_HEADINGS = ("TIME", "REVISION", "WHAT", "WHO", "FROM", "METHOD", "KEY")
#: As wide as nearly everything is. What is wider moves the rest of its line.
_WIDTHS = (27, 9, 10, 12, 22, 30, 0)


def _shown(entry: Entry, found: Found, *, is_first: bool, as_json: bool) -> Iterator[str]:
    if as_json:
        yield entry.text
        return
    if is_first:
        yield _row(_HEADINGS)
    line = entry.fields
    for op in found.ops:
        what = str(op.get("op"))
        yield _row(
            _cells(line, what if "deleted" not in op else f"{what} {op['deleted']}", _key(op))
        )
    if not found.ops:
        yield _row(_cells(line, "-", _target(line)))


def _cells(line: Mapping[str, Any], what: str, about: str) -> tuple[str, ...]:
    code = line.get("code", "")
    return (
        str(line["ts"]),
        str(line.get("revision", "-")),
        what if code == "OK" else f"{what}!",
        _plain(line.get("user") or line.get("certificate") or "-"),
        _plain(line.get("peer", "-")),
        _plain(line.get("method", "-")),
        about if code == "OK" else f"{about} {_plain(code)}",
    )


def _row(cells: Sequence[str]) -> str:
    return "  ".join(map(str.ljust, cells, _WIDTHS)).rstrip()


def _key(op: Mapping[str, Any]) -> str:
    keys = Keys.of(op)
    shown = _quoted(op, "key", keys.start)
    if "range_end" not in op and "range_end_base64" not in op:
        return shown
    return f"{shown} .. {'' if keys.stop is None else _quoted(op, 'range_end', keys.stop)}"


def _quoted(op: Mapping[str, Any], name: str, data: bytes) -> str:
    """Quote a key so that no terminal takes it for anything else."""
    size = op.get(f"{name}_bytes")
    return go_quote(data) if size is None else f"{go_quote(data)}... ({size} bytes)"


def _target(line: Mapping[str, Any]) -> str:
    target = line.get("target", {})
    return " ".join(f"{_plain(name)}={_plain(value)}" for name, value in target.items())


def _plain(value: object) -> str:
    """Return a text that may come from a client, in quotes if a terminal should not see it."""
    text = str(value)
    return text if text.isprintable() else go_quote(text)
