"""An option that there is not leads to one that there is."""

from __future__ import annotations

import argparse

import pytest

from etcdpy.cli.hints import hint, options_of
from etcdpy.cli.snapshot import make_parser


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("unrecognized arguments: --endpoint=a:1", "Did you mean --endpoints?\n"),
        ("unrecognized arguments: file --skip-hash-chek", "Did you mean --skip-hash-check?\n"),
        ("unrecognized arguments: --colour", ""),
        ("argument --bump-revision: invalid value: 'x'", ""),
        ("the following arguments are required: filename", ""),
        ("invalid choice: 'restor' (choose from 'save', 'restore')", "Did you mean restore?\n"),
        ("invalid choice: 'staus' (choose from save, status)", "Did you mean status?\n"),
        ("invalid choice: '--x' (choose from save, status)", ""),
    ],
)
def test_unknown_option_is_compared_with_those_of_all_commands(message: str, line: str) -> None:
    assert hint(message, make_parser()) == line


def test_names_that_others_read_are_compared_too() -> None:
    message = "flag provided but not defined: -max-txn-op"
    assert hint(message, make_parser()) == ""
    assert hint(message, make_parser(), ["max-txn-ops"]) == "Did you mean --max-txn-ops?\n"


def test_options_are_found_below_commands_too() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--above")
    parser.add_subparsers().add_parser("one", add_help=False).add_argument("--below")
    assert [action.option_strings for action in options_of(parser)] == [["--above"], ["--below"]]
