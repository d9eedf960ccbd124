"""Go's flag syntax, as etcd's command line has it."""

import pytest

from etcdpy.config import HelpRequested, UsageError
from etcdpy.config.goflags import parse
from etcdpy.config.values import Bool, Kind, Text, Uint, Uint32

FLAGS: dict[str, Kind] = {"name": Text(), "no-fsync": Bool(), "ops": Uint(), "streams": Uint32()}


def parsed(*arguments: str) -> tuple[list[tuple[str, object]], list[str]]:
    found: list[tuple[str, object]] = []
    rest = parse(arguments, FLAGS, lambda name, value: found.append((name, value)))
    return found, list(rest)


@pytest.mark.parametrize(
    "arguments", [("-name", "x"), ("--name", "x"), ("-name=x",), ("--name=x",)], ids=" ".join
)
def test_four_ways_to_give_a_value(arguments: tuple[str, ...]) -> None:
    assert parsed(*arguments) == ([("name", "x")], [])


def test_value_is_the_next_word_whatever_it_looks_like() -> None:
    assert parsed("--name", "--ops") == ([("name", "--ops")], [])


def test_value_may_hold_an_equals_sign_or_nothing() -> None:
    assert parsed("--name=a=b", "--name=") == ([("name", "a=b"), ("name", "")], [])


def test_repetitions_come_in_order() -> None:
    assert parsed("--ops=1", "--ops=2") == ([("ops", 1), ("ops", 2)], [])


def test_boolean_stands_alone() -> None:
    assert parsed("--no-fsync", "--name=x") == ([("no-fsync", True), ("name", "x")], [])


def test_boolean_takes_its_value_after_an_equals_sign_only() -> None:
    assert parsed("--no-fsync=false") == ([("no-fsync", False)], [])
    assert parsed("--no-fsync", "false") == ([("no-fsync", True)], ["false"])


@pytest.mark.parametrize("word", ["word", "-", ""])
def test_first_word_that_is_no_flag_ends_the_parse(word: str) -> None:
    assert parsed("--ops=1", word, "--bogus") == ([("ops", 1)], [word, "--bogus"])


def test_two_dashes_end_the_parse_and_are_dropped() -> None:
    assert parsed("--", "--name") == ([], ["--name"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--bogus"], "flag provided but not defined: -bogus"),
        (["-bogus=1"], "flag provided but not defined: -bogus"),
        (["--name"], "flag needs an argument: -name"),
        (["---name=x"], "bad flag syntax: ---name=x"),
        (["--=x"], "bad flag syntax: --=x"),
        (["--ops=abc"], 'invalid value "abc" for flag -ops: parse error'),
        (["--ops", "-1"], 'invalid value "-1" for flag -ops: parse error'),
        (["--ops="], 'invalid value "" for flag -ops: parse error'),
        (
            ["--ops=99999999999999999999"],
            'invalid value "99999999999999999999" for flag -ops: value out of range',
        ),
        (
            ["--streams=4294967296"],
            'invalid value "4294967296" for flag -streams: '
            'strconv.ParseUint: parsing "4294967296": value out of range',
        ),
        (
            ["--streams=x"],
            'invalid value "x" for flag -streams: strconv.ParseUint: parsing "x": invalid syntax',
        ),
        (["--no-fsync=maybe"], 'invalid boolean value "maybe" for -no-fsync: parse error'),
        (["--no-fsync="], 'invalid boolean value "" for -no-fsync: parse error'),
        (["--ops=a\tb"], 'invalid value "a\\tb" for flag -ops: parse error'),
    ],
)
def test_refusals_in_gos_words(arguments: list[str], text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parsed(*arguments)
    assert str(refusal.value) == text


@pytest.mark.parametrize("word", ["-h", "--h", "-help", "--help", "--help=false"])
def test_help_is_asked_for(word: str) -> None:
    with pytest.raises(HelpRequested):
        parsed("--ops=1", word, "--bogus")


def test_error_before_the_help_flag_comes_first() -> None:
    with pytest.raises(UsageError):
        parsed("--bogus", "--help")
