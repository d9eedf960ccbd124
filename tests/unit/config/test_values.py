"""Values of flags are read as Go reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.config.urls import Url
from etcdpy.config.values import (
    KEEP,
    BadValueError,
    Bool,
    Choice,
    Duration,
    Ignored,
    Int64,
    Kind,
    Text,
    Uint,
    Uint32,
    UrlList,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("12", 12), ("0x1F", 31), ("0X_1f", 31), ("0b101", 5), ("0o17", 15), ("017", 15),
     ("0_7", 7), ("1_000", 1000), ("18446744073709551615", 2**64 - 1)],
)  # fmt: skip
def test_unsigned_integers(text: str, value: int) -> None:
    assert Uint().parse(text) == value


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "09", "1__0", "_1", "1_", "0x", "1e3", "1.5", " 1", "1 ", "٣", "x"]
)  # fmt: skip
def test_what_is_no_unsigned_integer(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^parse error$"):
        Uint().parse(text)


@pytest.mark.parametrize(
    ("text", "value"), [("-1", -1), ("+1", 1), ("-0x10", -16), (str(-(2**63)), -(2**63))]
)
def test_signed_integers(text: str, value: int) -> None:
    assert Int64().parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Uint(), str(2**64)),
        (Int64(), str(2**63)),
        (Int64(), str(-(2**63) - 1)),
        (Uint(), "1" * 9999),
    ],
)
def test_integers_out_of_range(kind: Kind, text: str) -> None:
    with pytest.raises(BadValueError, match=r"^value out of range$"):
        kind.parse(text)


def test_uint32_refuses_what_does_not_fit() -> None:
    assert Uint32().parse("4294967295") == 2**32 - 1
    with pytest.raises(BadValueError, match=r'^strconv.ParseUint: parsing "-1": invalid syntax$'):
        Uint32().parse("-1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("+0", 0), ("5s", 5), ("1h30m", 5400), (".5s", 0.5), ("1.s", 1), ("-1m", -60),
     ("+3s", 3), ("1s2ms", 1.002), ("1us", 1e-6), ("1\u00b5s", 1e-6), ("1\u03bcs", 1e-6),
     ("100ns", 1e-7), ("00s", 0), ("1.5h", 5400)],
)  # fmt: skip
def test_durations_in_seconds(text: str, seconds: float) -> None:
    assert Duration().parse(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["", "5", "1h2", "5d", ".", "s", ".s", "-", "1e3s", " 1s", "1s ", "9999999999h", "--1s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^parse error$"):
        Duration().parse(text)


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_words_for_true(text: str) -> None:
    assert Bool().parse(text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "false", "FALSE", "False"])
def test_words_for_false(text: str) -> None:
    assert Bool().parse(text) is False


@pytest.mark.parametrize("text", ["", "yes", "tRUE", "2"])
def test_other_words_are_no_boolean(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^parse error$"):
        Bool().parse(text)


def test_choice_takes_its_words_only() -> None:
    assert Choice("new", "existing").parse("existing") == "existing"
    with pytest.raises(BadValueError, match=r"^invalid value$"):
        Choice("new", "existing").parse("New")


def test_ignored_flag_takes_anything() -> None:
    assert Ignored().parse("anything") is KEEP


def test_empty_url_list_keeps_the_default() -> None:
    assert UrlList().parse("") is KEEP


def test_url_list_refusal_is_the_urls() -> None:
    with pytest.raises(BadValueError, match="URL scheme must be http, https, unix, or unixs: x"):
        UrlList().parse("x")


@given(st.text())
def test_no_text_breaks_a_kind(text: str) -> None:
    kinds: list[Kind] = [Text(), Bool(), Uint(), Uint32(), Int64(), Duration(), UrlList()]
    for kind in kinds:
        try:
            value = kind.parse(text)
        except BadValueError:
            continue
        assert value is KEEP or isinstance(value, str | bool | int | float | tuple)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_signed_integer_can_be_given(number: int) -> None:
    assert Int64().parse(str(number)) == number


def test_urls_are_urls() -> None:
    assert UrlList().parse("http://127.0.0.1:1") == (
        Url("http", "127.0.0.1:1", "", "http://127.0.0.1:1"),
    )
