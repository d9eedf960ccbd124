"""The command ``etcdpy test-server``: etcd for test suites in any language."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etcdpy.config import FLAGS
from etcdpy.config.values import Bool
from etcdpy.storage import StorageError
from etcdpy.testing.codec import bytes_of
from etcdpy.testing.settings import Settings
from etcdpy.testing.standalone import run

__all__ = ["main", "make_parser"]

EXIT_REFUSED = 1
EXIT_USAGE = 2

_ABOUT = """\
Serve an etcd for a test suite, in memory, until standard input is closed or the parent ends.

Where it is stands in one line of JSON on standard output: "endpoint", "url", "unix_socket", "pid",
and "control", where the clock is moved, faults are ordered and requests are seen. Any flag of
etcd's may be given as well, such as --quota-backend-bytes=1048576.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words behind it, and return the exit status."""
    options, rest = make_parser().parse_known_args(arguments)
    try:
        settings = _settings(options, rest)
    except (TypeError, ValueError) as error:
        print(f"etcdpy test-server: {error}", file=sys.stderr)
        return EXIT_USAGE
    try:
        return run(settings, control=options.control)
    except (ValueError, OSError, StorageError) as error:
        print(f"etcdpy test-server: {error}", file=sys.stderr)
        return EXIT_REFUSED


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the words behind the command's name, but for etcd's flags."""
    parser = argparse.ArgumentParser(
        "etcdpy test-server",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 for a free port")
    parser.add_argument(
        "--control", default="127.0.0.1:0", help="the control address, or unix:PATH"
    )
    parser.add_argument("--clock", default="running", help="running, or frozen at the beginning")
    parser.add_argument("--tls", action="store_true", help="serve over TLS, with new certificates")
    parser.add_argument(
        "--client-certificates", action="store_true", help="with --tls: ask clients for theirs"
    )
    parser.add_argument("--auth", type=json.loads, help='users, as JSON: {"root": "secret"}')
    parser.add_argument("--roles", type=json.loads, help='prefixes of roles: {"app": ["app/"]}')
    parser.add_argument("--data", help="what is there at the beginning: JSON, YAML or a snapshot")
    parser.add_argument("--version", help="what is told to be etcd's version")
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    return parser


def _settings(options: argparse.Namespace, rest: Sequence[str]) -> Settings:
    """
    Return what was asked for.

    Raises:
        TypeError: There is no such setting.
        ValueError: One cannot have that value.

    """
    if options.settings is not None:
        given = dict(options.settings)
        if isinstance(given.get("data"), dict):
            given["data"] = {key: bytes_of(value) for key, value in given["data"].items()}
        return Settings.of(**given)
    own: dict[str, Any] = {
        name: value
        for name in ("port", "clock", "tls", "client_certificates", "auth", "data", "version")
        if (value := getattr(options, name)) is not None
    }
    if options.roles is not None:
        own["roles"] = options.roles
    flags = _flags(list(rest))
    if "data-dir" in flags:
        own["data_dir"] = Path(flags.pop("data-dir"))
    return Settings.of(**own, **{name.replace("-", "_"): text for name, text in flags.items()})


def _flags(words: list[str]) -> dict[str, str]:
    """Return etcd's flags, written ``--name=value``, ``--name value`` or ``--name``."""
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-"):
            raise ValueError(f"{word!r} is not a flag")
        if not equals:
            is_switch = name in FLAGS and isinstance(FLAGS[name].kind, Bool)
            if not is_switch and not words:
                raise ValueError(f"flag needs an argument: {word}")
            value = "true" if is_switch else words.pop(0)
        found[name] = value
    return found
