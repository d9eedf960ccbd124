"""An option that there is not leads to one that there is."""

from __future__ import annotations

import argparse

import pytest

from etcdpy.cli.hints import hint, nearest, options_of
from etcdpy.cli.snapshot import make_parser
from etcdpy.config import FLAGS


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("unrecognized arguments: --endpoint=a:1", "Did you mean --endpoints?\n"),
        ("unrecognized arguments: file --skip-hash-chek", "Did you mean --skip-hash-check?\n"),
        ("unrecognized arguments: --colour", ""),
        ("argument --bump-revision: invalid value: 'x'", ""),
        ("the following arguments are required: filename", ""),
    ],
)
def test_unknown_option_is_compared_with_those_of_all_commands(message: str, line: str) -> None:
    assert hint(message, make_parser()) == line


def test_options_are_found_below_commands_too() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--above")
    parser.add_subparsers().add_parser("one", add_help=False).add_argument("--below")
    assert [action.option_strings for action in options_of(parser)] == [["--above"], ["--below"]]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("listen-client-url", "listen-client-urls"),
        ("data_dir", "data-dir"),
        ("LOG-LEVEL", "log-level"),
        ("advertise-clint-urls", "advertise-client-urls"),
        ("bogus", None),
        ("x", None),
    ],
)
def test_nearest_flag_is_found_if_one_is_near(given: str, meant: str | None) -> None:
    assert nearest(given, FLAGS) == meant
