"""Help in groups that fit 80 columns, and mistakes with what was meant, for every command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdpy.cli import audit, completion, snapshot, test_server
from etcdpy.cli.parser import WIDTH, Parser, WrongWordsError


def below(parser: Parser) -> Iterator[Parser]:
    """Iterate over a parser and those of the commands in it."""
    yield parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for one in action.choices.values():
                if isinstance(one, Parser):
                    yield from below(one)


EVERY = [
    one
    for made in (
        snapshot.make_parser(),
        audit.make_parser(),
        test_server.make_parser(),
        completion.make_parser(),
    )
    for one in below(made)
]


@pytest.mark.parametrize("parser", EVERY, ids=lambda parser: str(parser.prog))
@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_fits_80_columns(
    parser: Parser, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = parser.format_help().splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    assert max(map(len, lines)) > 40
    assert "show this help message and exit" in parser.format_help()


def test_options_of_a_kind_stand_together() -> None:
    text = test_server.make_parser().format_help()
    parts = text.split("\n\n")
    headings = [part.partition(":")[0] for part in parts if part.partition("\n")[0].endswith(":")]
    assert headings == [
        "options",
        "where it serves",
        "what is there at the beginning",
        "how it behaves",
    ]
    assert ["--clock" in part for part in parts] == [False] * (len(parts) - 1) + [True]


def test_what_is_laid_out_by_hand_stays_so() -> None:
    text = completion.make_parser().format_help()
    assert "\n  zsh:   etcdpy completion zsh > a directory of $fpath, as _etcdpy\n" in text


@pytest.fixture
def parser() -> Parser:
    parser = Parser("one")
    command = parser.add_subparsers(dest="command", parser_class=Parser).add_parser("two")
    command.add_argument("--colour")
    return parser


def refusal(parser: Parser, *words: str) -> list[str]:
    with pytest.raises(WrongWordsError) as refused:
        parser.parse_args(words)
    return str(refused.value).splitlines()


def test_mistake_is_told_with_what_was_meant_and_the_usage_of_its_command(parser: Parser) -> None:
    assert refusal(parser, "two", "--color=red") == [
        "unrecognized arguments: --color=red",
        "Did you mean --colour?",
        "usage: one two [-h] [--colour COLOUR]",
    ]


def test_mistyped_command_gets_the_nearest(parser: Parser) -> None:
    assert refusal(parser, "twoo")[1:] == ["Did you mean two?", "usage: one [-h] {two} ..."]


def test_beginning_of_an_option_is_not_the_option(parser: Parser) -> None:
    assert refusal(parser, "two", "--col=red")[0] == "unrecognized arguments: --col=red"


def test_words_that_others_read_are_handed_back() -> None:
    parser = Parser("one")
    parser.add_argument("--mine")
    found, rest = parser.parse_some(["--mine=1", "--theirs=2", "3"])
    assert (found.mine, rest) == ("1", ["--theirs=2", "3"])
