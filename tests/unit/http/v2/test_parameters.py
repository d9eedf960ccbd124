"""Parameters are read as etcd reads them, and of two mistakes the first one is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.cooperative import Baton
from etcdpy.errors import V2Error
from etcdpy.http.v2.parameters import MOST_BODY_BYTES, Parameters, form_of, parameters_of
from tests.unit.http.v2.asking import request

FORM = "application/x-www-form-urlencoded"


async def asked(query: str, method: str = "GET", body: bytes = b"", kind: str = FORM) -> Parameters:
    made = request("/v2/keys/a", method, body, content_type=kind)
    return parameters_of(await form_of(made, query), method)


async def refusal(
    query: str, method: str = "GET", body: bytes = b"", kind: str = FORM
) -> tuple[int, str]:
    with pytest.raises(V2Error) as refused:
        await asked(query, method, body, kind)
    assert refused.value.index == 0
    return refused.value.code, refused.value.cause


async def test_nothing_is_asked_for() -> None:
    assert await asked("") == Parameters()


async def test_everything_is_asked_for() -> None:
    query = (
        "value=v&prevValue=p&prevIndex=7&waitIndex=8&recursive=1&sorted=t&dir=T&quorum=TRUE"
        "&stream=True&prevExist=true&ttl=9&noValueOnSuccess=true&wait=true"
    )
    assert await asked(query) == Parameters(
        value="v",
        prev_value="p",
        prev_index=7,
        wait_index=8,
        recursive=True,
        wait=True,
        dir=True,
        quorum=True,
        stream=True,
        prev_exist=True,
        has_ttl=True,
        ttl=9,
        is_quiet=True,
    )


async def test_body_wins_over_the_query_and_the_first_over_the_second() -> None:
    assert (await asked("value=q", "PUT", b"value=b")).value == "b"
    assert (await asked("value=q&value=r")).value == "q"
    assert (await asked("", "PUT", b"value=a&value=b")).value == "a"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", ""])
async def test_body_that_is_no_form_is_not_read(kind: str) -> None:
    assert (await asked("", "PUT", b"value=b", kind)).value == ""


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
async def test_body_of_other_methods_is_not_read(method: str) -> None:
    assert (await asked("", method, b"value=b")).value == ""


@pytest.mark.parametrize(
    "kind", [FORM.upper(), f"{FORM}; charset=utf-8", f' {FORM} ;a="b;c\\"d"', f"{FORM};"]
)
async def test_form_may_have_parameters(kind: str) -> None:
    assert (await asked("", "PUT", b"value=b", kind)).value == "b"


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (";", "mime: no media type"),
        (f"{FORM}; charset", "mime: invalid media parameter"),
        ("a b/c", "mime: expected slash after first token"),
        ("a/", "mime: expected token after slash"),
        ("a/b c", "mime: unexpected content after media subtype"),
    ],
)
async def test_type_that_is_none_is_refused(kind: str, cause: str) -> None:
    assert await refusal("", "PUT", b"value=b", kind) == (210, cause)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"value=a+b%2Bc", "a b+c"),
        (b"value=%c3%bc", "ü"),
        (b"value=\xc3\xbc", "ü"),
        (b"value=%ff", "\udcff"),
        (b"value=%c3\xbc", "ü"),
        (b"v%61lue=x", "x"),
        (b"value", ""),
        (b"&&value=x=y&", "x=y"),
    ],
)
async def test_values_are_unescaped(body: bytes, value: str) -> None:
    assert (await asked("", "PUT", body)).value == value


@pytest.mark.parametrize(
    ("query", "code", "cause"),
    [
        ("value=%zz", 210, 'invalid URL escape "%zz"'),
        ("value=%", 210, 'invalid URL escape "%"'),
        ("value=%4", 210, 'invalid URL escape "%4"'),
        ("%q=1", 210, 'invalid URL escape "%q"'),
        ("value=a;b", 210, "invalid semicolon separator in query"),
        ("prevIndex=", 203, 'invalid value for "prevIndex"'),
        ("prevIndex=-1", 203, 'invalid value for "prevIndex"'),
        ("prevIndex=18446744073709551616", 203, 'invalid value for "prevIndex"'),
        ("waitIndex=abc", 203, 'invalid value for "waitIndex"'),
        ("waitIndex=%C2%B2", 203, 'invalid value for "waitIndex"'),
        ("recursive=yes", 209, 'invalid value for "recursive"'),
        ("recursive=", 209, 'invalid value for "recursive"'),
        ("sorted=x", 209, 'invalid value for "sorted"'),
        ("wait=x", 209, 'invalid value for "wait"'),
        ("dir=tRue", 209, 'invalid value for "dir"'),
        ("quorum=x", 209, 'invalid value for "quorum"'),
        ("stream=x", 209, 'invalid value for "stream"'),
        ("prevValue=", 201, '"prevValue" cannot be empty'),
        ("noValueOnSuccess=x", 209, 'invalid value for "noValueOnSuccess"'),
        ("ttl=-1", 202, 'invalid value for "ttl"'),
        ("ttl=1.5", 202, 'invalid value for "ttl"'),
        ("ttl=%2B5", 202, 'invalid value for "ttl"'),
        ("ttl=18446744073709551616", 202, 'invalid value for "ttl"'),
        ("ttl=1_0", 202, 'invalid value for "ttl"'),
        ("prevExist=", 209, "invalid value for prevExist"),
        ("refresh=x", 209, "invalid value for refresh"),
        ("refresh=true&value=x&ttl=1", 211, "A value was provided on a refresh"),
        ("refresh=true&value=", 212, "No TTL value set"),
    ],
)
async def test_what_is_wrong_is_told(query: str, code: int, cause: str) -> None:
    assert await refusal(query) == (code, cause)


#: Mistakes in the order in which they are found.
MISTAKES = [
    "x=%zz",
    "prevIndex=x",
    "waitIndex=x",
    "recursive=x",
    "sorted=x",
    "wait=x",
    "dir=x",
    "quorum=x",
    "stream=x",
    "prevValue=",
    "noValueOnSuccess=x",
    "ttl=x",
    "prevExist=x",
    "refresh=x",
]


@pytest.mark.parametrize("first", range(len(MISTAKES) - 1))
async def test_first_mistake_is_told(first: int) -> None:
    both = "&".join(reversed(MISTAKES[first:]))
    assert await refusal(both) == await refusal(MISTAKES[first])


async def test_waiting_is_for_get() -> None:
    assert await refusal("wait=true&prevValue=", "PUT") == (
        209,
        '"wait" can only be used with GET requests',
    )


async def test_escape_in_the_body_is_told_before_one_in_the_query() -> None:
    assert await refusal("value=%qq", "PUT", b"value=%zz") == (210, 'invalid URL escape "%zz"')


async def test_form_that_is_too_large_is_refused() -> None:
    body = b"value=" + bytes(MOST_BODY_BYTES)
    assert await refusal("", "PUT", body) == (210, "http: POST too large")
    assert len((await asked("", "PUT", body[:MOST_BODY_BYTES])).value) == MOST_BODY_BYTES - 6


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("0", 0), ("007", 7), ("3153600001", None), ("18446744073709551615", None)]
)
async def test_time_to_live_is_in_seconds_and_a_long_one_is_none(
    ttl: str, seconds: int | None
) -> None:
    found = await asked(f"ttl={ttl}")
    assert found.has_ttl
    assert found.ttl == seconds
    assert found.expires(5) == (None if seconds is None else 5 + seconds * 10**9)


async def test_empty_time_to_live_is_none() -> None:
    assert not (await asked("ttl=")).has_ttl


async def test_names_are_case_sensitive_and_unknown_ones_ignored() -> None:
    assert await asked("PREVEXIST=true&consistent=true") == Parameters()


@given(st.text(), st.sampled_from(["GET", "PUT", "POST", "DELETE"]), st.binary())
async def test_any_query_and_body_is_read_or_refused(text: str, method: str, body: bytes) -> None:
    query = text.encode("utf-8", "surrogatepass").decode("latin-1")
    with suppress(V2Error):
        assert isinstance(await asked(query, method, body), Parameters)


#: Bytes, signs that mean something to one of the codings, and escapes, in any order.
PARTS = st.lists(
    st.one_of(
        st.binary(max_size=3).map(quote_from_bytes),
        st.binary(min_size=1, max_size=2).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
        st.sampled_from(["=", "==", "=3D", "=\n", "\n", "\r\n", " ", "\t ", "_", ".", "é", "=%0A"]),
    )
)


@given(PARTS)
async def test_escapes_are_read_as_everybody_reads_them(parts: list[str]) -> None:
    text = "".join(parts)
    form = await form_of(request("/", "PUT", b"value=" + text.encode(), content_type=FORM), "")
    assert form["value"].encode("utf-8", "surrogateescape") == unquote_to_bytes(text)


@pytest.mark.parametrize("before", range(32 * 1024 - 8, 32 * 1024 + 3))
async def test_escapes_of_a_long_form_are_read_wherever_it_is_cut(before: int) -> None:
    text = "x" * before + "%c3%a9+%2B%25" * 20_000
    form = await form_of(request("/", "PUT", b"value=" + text.encode(), content_type=FORM), "")
    assert form == {"value": "x" * before + "é +%" * 20_000}


async def test_wrong_escape_far_inside_a_long_form_is_told() -> None:
    body = b"value=" + b"%41" * 100_000 + b"%4x&dir=true"
    assert await refusal("", "PUT", body) == (210, 'invalid URL escape "%4x"')


async def test_long_form_is_read_in_turns_and_names_that_nobody_asks_for_are_left_out() -> None:
    body = b"&".join(b"n%d=%d" % (number, number) for number in range(5_000)) + b"&value=x"
    baton = Baton()
    asking = [
        asyncio.ensure_future(form_of(request("/", "PUT", body, content_type=FORM), "", baton))
        for _ in range(3)
    ]
    ended = []
    while not all(task.done() for task in asking):
        await asyncio.sleep(0)
        ended.append(sum(task.done() for task in asking))
    # They go on one after the other.
    assert len(ended) > 20
    assert set(ended) == {0, 1, 2, 3}
    assert [task.result() for task in asking] == [{"value": "x"}] * 3


async def test_spaces_in_a_type_take_no_time() -> None:
    # A hundred thousand took minutes.
    kind = "a/b" + " " * 500_000 + "x"
    cause = "mime: unexpected content after media subtype"
    assert await refusal("", "PUT", b"value=x", kind) == (210, cause)
    short = "a/b" + " " * 4_000 + "x"
    assert await refusal("", "PUT", b"value=x", short) == (210, cause)
