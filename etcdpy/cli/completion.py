"""
``etcdpy completion bash|zsh|fish``: what makes a shell complete commands, flags and their values.

Made from the table of settings and the commands' own parsers, so that nothing is completed that
there is not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from etcdpy.cli import audit, snapshot, test_server
from etcdpy.cli.completion_scripts import Command, Option, bash, fish, zsh
from etcdpy.cli.parser import Parser, WrongWordsError
from etcdpy.config import FLAGS, Setting
from etcdpy.config.values import Bool, Choice

__all__ = ["commands", "main", "make_parser"]

EXIT_USAGE = 2

_SCRIPTS: Mapping[str, Callable[[Sequence[Command]], str]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
}

_INSTALLATION = """\
  bash:  etcdpy completion bash > etcdpy, a file in the directory
         ~/.local/share/bash-completion/completions
         or, in ~/.bashrc: source <(etcdpy completion bash)
  zsh:   etcdpy completion zsh > a directory of $fpath, as _etcdpy
         or, behind compinit in ~/.zshrc: source <(etcdpy completion zsh)
  fish:  etcdpy completion fish > ~/.config/fish/completions/etcdpy.fish
"""

#: Words that are checked with other settings and not by their kind.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "auth-token": ("simple", "jwt"),
    "auto-compaction-mode": ("periodic", "revision"),
    "backend-bbolt-freelist-type": ("map", "array"),
    "log-format": ("json", "console"),
    "log-level": ("debug", "info", "warn", "error", "panic", "fatal"),
    "logger": ("zap",),
    "metrics": ("basic", "extensive"),
    "tls-max-version": ("TLS1.2", "TLS1.3"),
    "tls-min-version": ("TLS1.2", "TLS1.3"),
}
_FILES = ("audit-log", "log-outputs", "discovery-cert", "discovery-key", "discovery-cacert")


def main(arguments: Sequence[str]) -> int:
    """Print the script for the shell that the words behind the command name."""
    try:
        options = make_parser().parse_args(arguments)
    except WrongWordsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_USAGE
    sys.stdout.write(_SCRIPTS[options.shell](list(commands())))
    return 0


def make_parser() -> Parser:
    """Return what reads the words behind the command's name."""
    parser = Parser(
        "etcdpy completion",
        usage="etcdpy completion bash|zsh|fish",
        description="Print what makes that shell complete etcdpy's commands and flags.",
        epilog=_INSTALLATION,
    )
    parser.add_argument("shell", choices=_SCRIPTS, help="whose script is printed")
    return parser


def commands() -> Iterator[Command]:
    """Iterate over all that can be asked for; the first, without a name, is the server."""
    flags = [_flag(name, row) for name, row in FLAGS.items()]
    asked = [
        Option("help", "Show the help information about etcdpy."),
        Option("version", "Show the version of etcdpy."),
    ]
    own = {
        "snapshot": ("Move between etcdpy and etcd", snapshot.make_parser()),
        "audit": ("Ask an audit log who has changed a key", audit.make_parser()),
        "test-server": ("Serve an etcd for a test suite, in memory", test_server.make_parser()),
    }
    words = {name: text for name, (text, _) in own.items()}
    words["completion"] = "Print what makes a shell complete these"
    yield Command("", flags + asked, words)
    for name, (_, parser) in own.items():
        more = flags if name == "test-server" else []
        yield from _of_parser(name, parser, more)
    yield Command("completion", [], dict.fromkeys(_SCRIPTS, "A shell"))


def _flag(name: str, row: Setting) -> Option:
    if isinstance(row.kind, Bool):
        return Option(name, row.help, words=("true", "false"))
    words = row.kind.words if isinstance(row.kind, Choice) else _WORDS.get(name, ())
    is_file = name in _FILES or name.endswith(("-file", "-dir"))
    return Option(name, row.help, takes_value=True, words=words, is_file=is_file)


def _of_parser(
    name: str, parser: argparse.ArgumentParser, more: Sequence[Option]
) -> Iterator[Command]:
    options = {option.name: option for option in more}
    words: dict[str, str] = {}
    below: list[tuple[str, argparse.ArgumentParser]] = []
    takes_file = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words = {one.dest: one.help or "" for one in action._choices_actions}
            below = [(f"{name} {word}", found) for word, found in action.choices.items()]
        elif not action.option_strings:
            takes_file = True
        elif action.help is not argparse.SUPPRESS:
            found = _option(action)
            options[found.name] = found
    yield Command(name, list(options.values()), words, takes_file)
    for path, found_parser in below:
        yield from _of_parser(path, found_parser, [])


def _option(action: argparse.Action) -> Option:
    name = action.option_strings[-1].lstrip("-")
    words = tuple(map(str, action.choices or ()))
    is_file = name in ("data", "data-dir") or (action.help or "").startswith("file of ")
    return Option(
        name, action.help or "", takes_value=action.nargs != 0, words=words, is_file=is_file
    )
