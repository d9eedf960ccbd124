"""The command ``etcdpy test-server``: etcd for test suites in any language."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from etcdpy.cli.parser import Parser, WrongWordsError
from etcdpy.config import FLAGS
from etcdpy.config.values import Bool
from etcdpy.storage import StorageError
from etcdpy.testing.codec import bytes_of
from etcdpy.testing.settings import Settings
from etcdpy.testing.standalone import run

__all__ = ["main", "make_parser"]

EXIT_REFUSED = 1
EXIT_USAGE = 2

_ABOUT = """
Serve an etcd for a test suite, in memory, until standard input is closed or the parent ends.

Where it is stands in one line of JSON on standard output: "endpoint", "url", "unix_socket", "pid",
and "control", where the clock is moved, faults are ordered and requests are seen.

Any flag of etcd's may be given as well, such as --quota-backend-bytes=1048576; etcdpy --help
lists them.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words behind it, and return the exit status."""
    parser = make_parser()
    try:
        options, rest = parser.parse_some(arguments)
        settings = _settings(options, _flags(list(rest), parser))
    except (WrongWordsError, TypeError, ValueError) as error:
        print(f"etcdpy test-server: {error}", file=sys.stderr)
        return EXIT_USAGE
    try:
        return run(settings, control=options.control)
    except (ValueError, OSError, StorageError) as error:
        print(f"etcdpy test-server: {error}", file=sys.stderr)
        return EXIT_REFUSED


def make_parser() -> Parser:
    """Return what reads the words behind the command's name, but for etcd's flags."""
    parser = Parser(
        "etcdpy test-server",
        usage="etcdpy test-server [options] [flags of etcd]",
        description=_ABOUT,
    )
    parser.add_argument("--settings", type=_json, help=argparse.SUPPRESS)
    _add_places(parser.add_argument_group("where it serves"))
    _add_data(parser.add_argument_group("what is there at the beginning"))
    _add_behaviour(parser.add_argument_group("how it behaves"))
    return parser


def _add_places(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--port", type=int, default=0, help="where to listen; 0 for a free port")
    group.add_argument(
        "--control",
        metavar="ADDRESS",
        default="127.0.0.1:0",
        help="the control address, or unix:PATH (%(default)s)",
    )
    group.add_argument("--tls", action="store_true", help="serve over TLS, with new certificates")
    group.add_argument(
        "--client-certificates", action="store_true", help="with --tls: ask clients for theirs"
    )


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", metavar="FILE", help="keys, in JSON or YAML, or a snapshot")
    group.add_argument("--data-dir", metavar="DIR", help="keep all there, and not in memory")
    group.add_argument("--auth", metavar="JSON", type=_json, help='users: {"root": "secret"}')
    group.add_argument(
        "--roles", metavar="JSON", type=_json, help='prefixes of roles: {"app": ["app/"]}'
    )


def _add_behaviour(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--clock", metavar="STATE", default="running", help="running, or frozen at the beginning"
    )
    group.add_argument("--version", help="what is told to be etcd's version")
    group.add_argument(
        "--requests", metavar="COUNT", type=int, help="how many requests are kept (10000)"
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON: {error}") from None


#: Options that become settings of the same name.
_OWN = (
    "port",
    "clock",
    "tls",
    "client_certificates",
    "auth",
    "roles",
    "data",
    "data_dir",
    "version",
    "requests",
)


def _settings(options: argparse.Namespace, flags: Mapping[str, str]) -> Settings:
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
    own = {name: value for name in _OWN if (value := getattr(options, name)) is not None}
    return Settings.of(**own, **{name.replace("-", "_"): text for name, text in flags.items()})


def _flags(words: list[str], parser: Parser) -> dict[str, str]:
    """
    Return etcd's flags, written ``--name=value``, ``--name value`` or ``--name``.

    Raises:
        WrongWordsError: There is no such flag, or it lacks its value.

    """
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-"):
            parser.error(f"{word!r} is not a flag")
        if name not in FLAGS:
            parser.error(f"flag provided but not defined: -{name}", list(FLAGS))
        if not equals:
            is_switch = isinstance(FLAGS[name].kind, Bool)
            if not is_switch and not words:
                parser.error(f"flag needs an argument: -{name}")
            value = "true" if is_switch else words.pop(0)
        found[name] = value
    return found
