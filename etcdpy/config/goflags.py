"""
The syntax of Go's ``flag`` package, which etcd's command line follows.

``-x v``, ``--x v``, ``-x=v`` and ``--x=v`` are the same. A boolean takes a value only after
``=``, so ``--x false`` is the flag ``x`` followed by the word ``false``. The first word that is
no flag ends the parse, and so does ``--``; what is left is for the caller to judge.

"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from etcdpy.config.errors import HelpRequested, UndefinedFlagError, UsageError
from etcdpy.config.values import BadValueError, Kind
from etcdpy.gostd.quoting import go_quote

__all__ = ["parse"]

Assign = Callable[[str, object], None]


def parse(arguments: Sequence[str], flags: Mapping[str, Kind], assign: Assign) -> Sequence[str]:
    """
    Hand every flag's value to ``assign``, in order, and return the words left over.

    A repeated flag is assigned again. The names ``h`` and ``help`` ask for help unless
    ``flags`` defines them.

    Raises:
        UsageError: The text is Go's, for instance ``flag needs an argument: -name``.
        HelpRequested: Raised where the word stands; errors before it come first.

    """
    rest = list(arguments)
    while rest:
        word = rest[0]
        # A lone "-" is a word as well. (Go: ``FlagSet.parseOne``)
        if len(word) < 2 or not word.startswith("-"):
            break
        del rest[0]
        if word == "--":
            break
        name, given = _split(word)
        if name not in flags:
            if name in ("h", "help"):
                raise HelpRequested
            raise UndefinedFlagError(name)
        kind = flags[name]
        if given is None:
            given = _following(name, kind, rest)
        assign(name, _value(name, kind, given))
    return rest


def _split(word: str) -> tuple[str, str | None]:
    body = word[2:] if word.startswith("--") else word[1:]
    # ``---x`` and ``-=x`` are mistakes, and no words that end the parse.
    if not body or body[0] in "-=":
        raise UsageError(f"bad flag syntax: {word}")
    name, equals, value = body.partition("=")
    return name, value if equals else None


def _following(name: str, kind: Kind, rest: list[str]) -> str:
    """Take the value of a flag written without ``=``."""
    if kind.is_boolean:
        return "true"
    if not rest:
        raise UsageError(f"flag needs an argument: -{name}")
    return rest.pop(0)


def _value(name: str, kind: Kind, text: str) -> object:
    try:
        return kind.parse(text)
    except BadValueError as refusal:
        if kind.is_boolean:
            message = f"invalid boolean value {go_quote(text)} for -{name}: {refusal}"
        else:
            message = f"invalid value {go_quote(text)} for flag -{name}: {refusal}"
        raise UsageError(message) from None
