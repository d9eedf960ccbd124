"""What is read as HTTP/1.1, and what is refused: whole, byte by byte, and with more behind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from etcdpy.transport.http import HttpResponse
from etcdpy.transport.http1 import (
    End,
    Head,
    Http1Error,
    Http1Parser,
    Pause,
    Piece,
    chunk,
    encode_head,
)
from etcdpy.transport.limits import MAX_CHUNK_LINE, MAX_HTTP1_FIELDS, MAX_HTTP1_HEAD

GET = b"GET /version?a=b HTTP/1.1\r\nHost: x:1\r\n\r\n"
POST = b"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nfoo: bar\r\n\r\n"
)

Told = tuple[Head, bytes]


def read(parser: Http1Parser) -> Iterator[Told]:
    """Yield the requests that are complete."""
    head, body = None, b""
    while (event := parser.next_event()) is not None:
        if isinstance(event, Head):
            head, body = event, b""
        elif isinstance(event, Piece):
            body += event
        elif isinstance(event, End):
            assert head is not None
            yield head, body
            parser.start_next()


def told(data: bytes, size: int = 1 << 20) -> list[Told]:
    """Return the requests that some bytes are."""
    parser, found = Http1Parser(), Collector()
    for start in range(0, len(data), size):
        parser.feed(data[start : start + size])
        found.take(parser)
    return found.requests


class Collector:
    """Puts requests together from the events of a parser."""

    def __init__(self) -> None:
        self.requests: list[Told] = []
        self._head: Head | None = None
        self._body = b""

    def take(self, parser: Http1Parser) -> None:
        while (event := parser.next_event()) is not None:
            if isinstance(event, Head):
                self._head, self._body = event, b""
            elif isinstance(event, Piece):
                self._body += event
            elif isinstance(event, End):
                assert self._head is not None
                self.requests.append((self._head, self._body))
                parser.start_next()


def refusal(data: bytes, size: int = 1 << 20) -> bytes:
    """Return the first line of what a client is told that sends no request."""
    with pytest.raises(Http1Error) as error:
        told(data, size)
    return error.value.answer.partition(b"\r\n")[0]


SIZES = pytest.mark.parametrize("size", [1, 7, 10_000])


@SIZES
def test_requests_follow_each_other(size: int) -> None:
    requests = told(GET + POST + CHUNKED + GET, size)
    assert [(head.method, head.target, head.host, body) for head, body in requests] == [
        ("GET", "/version?a=b", "x:1", b""),
        ("POST", "/v3/kv/put", "x", b"hello"),
        ("POST", "/", "x", b"hello"),
        ("GET", "/version?a=b", "x:1", b""),
    ]
    assert all(head.keeps_alive for head, _ in requests)


def test_what_was_sent_ahead_waits() -> None:
    parser = Http1Parser()
    parser.feed(GET + GET)
    assert isinstance(parser.next_event(), Head)
    assert isinstance(parser.next_event(), End)
    assert parser.next_event() is None
    assert (parser.is_done, parser.waiting) == (True, len(GET))
    parser.start_next()
    assert isinstance(parser.next_event(), Head)


def test_pieces_are_told_as_they_come() -> None:
    parser = Http1Parser()
    parser.feed(POST[:-2])
    assert isinstance(parser.next_event(), Head)
    assert parser.next_event() == b"hel"
    assert parser.next_event() is None
    parser.feed(b"lo")
    assert parser.next_event() == b"lo"
    assert isinstance(parser.next_event(), End)
    assert not parser.is_between
    parser.start_next()
    assert parser.is_between


@pytest.mark.parametrize("framing", ["Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("method", ["POST", "GRUMBLE"])
def test_others_may_go_on_before_a_long_head_is_read(method: str, framing: str) -> None:
    fields = "".join(f"x-{number}: y\r\n" for number in range(2000))
    body = "hi" if "2" in framing else "2\r\nhi\r\n0\r\n\r\n"
    parser = Http1Parser()
    parser.feed(f"{method} /a HTTP/1.1\r\nHost: x\r\n{fields}{framing}\r\n{body}".encode())
    events = iter(parser.next_event, None)
    pauses = 0
    while isinstance(event := next(events), Pause):
        assert not parser.is_between
        pauses += 1
    assert pauses > 3
    assert isinstance(event, Head)
    assert (event.method, len(event.headers)) == (method, 2002)
    assert [next(events), type(next(events))] == [b"hi", End]


def test_long_head_that_is_broken_at_its_end_is_refused() -> None:
    fields = "".join(f"x-{number}: y\r\n" for number in range(2000))
    parser = Http1Parser()
    parser.feed(f"GET /a HTTP/1.1\r\nHost: x\r\n{fields} : no\r\n\r\n".encode())
    with pytest.raises(Http1Error, match="400"):
        list(iter(parser.next_event, None))


def test_others_may_go_on_before_all_of_many_trailers_are_read() -> None:
    parser = Http1Parser()
    parser.feed(CHUNKED.replace(b"foo: bar\r\n", b"foo: bar\r\n" * 1000))
    kinds = [type(event) for event in iter(parser.next_event, None)]
    assert kinds[:3] == [Head, Piece, Piece]
    assert kinds[3:-1] == [Pause] * (len(kinds) - 4)
    assert len(kinds) > 10
    assert kinds[-1] is End


@pytest.mark.parametrize(
    ("first", "more", "keeps"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.1", "Connection: x\r\nConnection: a, Close\r\n", False),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: keep-alive\r\n", True),
    ],
)
def test_connection_is_kept_as_the_client_wants(first: str, more: str, keeps: bool) -> None:
    [(head, _)] = told(f"GET / {first}\r\nHost: x\r\n{more}\r\n".encode())
    assert (head.keeps_alive, head.minor) == (keeps, int(first[-1]))


@pytest.mark.parametrize("method", ["FOO", "get", "M-SEARCH", "CONNECT", "a!b"])
def test_every_token_is_a_method(method: str) -> None:
    [(head, body)] = told(f"{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz".encode())
    assert (head.method, body) == (method, b"z")


def test_target_may_name_the_host() -> None:
    [(head, _)] = told(b"GET http://y:2/a?b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (head.host, head.target) == ("y:2", "/a?b")
    [(head, _)] = told(b"GET http://y HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (head.host, head.target) == ("y", "/")


def test_target_that_is_not_ascii_stands_for_its_escapes() -> None:
    [(head, _)] = told("GET /ü?ö=% HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert head.target == "/%C3%BC?%C3%B6=%"


def test_upgrade_is_told_only_with_its_option() -> None:
    offer = b"GET / HTTP/1.1\r\nHost: x\r\n%bUpgrade: WebSocket\r\n\r\nrest"
    parser = Http1Parser()
    parser.feed(offer % b"Connection: Upgrade\r\n")
    head = parser.next_event()
    assert isinstance(head, Head)
    assert head.upgrade == "websocket"
    assert isinstance(parser.next_event(), End)
    assert parser.take_rest() == b"rest"
    [(head, _), *_] = read_all(offer % b"" + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.upgrade == ""


def read_all(data: bytes) -> list[Told]:
    parser = Http1Parser()
    parser.feed(data)
    return list(read(parser))


@pytest.mark.parametrize(
    ("version", "length", "expects"), [("1.1", 2, True), ("1.1", 0, False), ("1.0", 2, False)]
)
def test_client_may_wait_to_be_told_to_go_on(version: str, length: int, expects: bool) -> None:
    parser = Http1Parser()
    parser.feed(
        f"POST / HTTP/{version}\r\nHost: x\r\nExpect: 100-Continue\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
    )
    head = parser.next_event()
    assert isinstance(head, Head)
    assert head.expects_continue is expects


def with_fields(fields: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\n"


#: What two readers could take for two things, and how it is answered.
BAD = {
    "two lengths": (with_fields(b"Content-Length: 2\r\nContent-Length: 3") + b"abc", 400),
    "the same length twice": (with_fields(b"Content-Length: 2\r\nContent-Length: 2") + b"ab", 400),
    "a list of lengths": (with_fields(b"Content-Length: 2, 2") + b"ab", 400),
    "a signed length": (with_fields(b"Content-Length: +2") + b"ab", 400),
    "a length of nothing": (with_fields(b"Content-Length: "), 400),
    "an endless length": (with_fields(b"Content-Length: 99999999999999999999"), 400),
    "length and chunks": (
        with_fields(b"Content-Length: 2\r\nTransfer-Encoding: chunked") + b"0\r\n\r\n",
        400,
    ),
    "chunks and length": (
        with_fields(b"Transfer-Encoding: chunked\r\nContent-Length: 2") + b"0\r\n\r\n",
        400,
    ),
    "chunks in 1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "another coding": (with_fields(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
    "a chunk of junk": (with_fields(b"Transfer-Encoding: chunked") + b"zz\r\n", 400),
    "a chunk without CR": (with_fields(b"Transfer-Encoding: chunked") + b"2\nab\r\n", 400),
    "a chunk with a blank": (with_fields(b"Transfer-Encoding: chunked") + b"2 \r\nab\r\n", 400),
    "an endless chunk": (with_fields(b"Transfer-Encoding: chunked") + b"f" * 17 + b"\r\n", 400),
    "a chunk that is longer": (
        with_fields(b"Transfer-Encoding: chunked") + b"2\r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "a long extension": (
        with_fields(b"Transfer-Encoding: chunked") + b"2;" + b"a" * MAX_CHUNK_LINE,
        400,
    ),
    "bare LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "bare CR": (with_fields(b"foo: a\rbar: b"), 400),
    "a folded line": (with_fields(b"foo: a\r\n b"), 400),
    "a folded first line": (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "a blank before the colon": (with_fields(b"foo : a"), 400),
    "no colon": (with_fields(b"foo"), 400),
    "NUL": (with_fields(b"foo: a\0b"), 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a host of two": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "another version": (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    "a method that is none": (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no path": (b"GET version HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a bad escape": (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an empty line first": (b"\r\n" + GET, 400),
    "another expectation": (with_fields(b"Expect: gold"), 417),
    "a long head": (b"GET / HTTP/1.1\r\nfoo: " + b"a" * MAX_HTTP1_HEAD, 431),
    "many fields": (with_fields(b"\r\n".join([b"a:"] * MAX_HTTP1_FIELDS)), 431),
    "long trailers": (
        with_fields(b"Transfer-Encoding: chunked")
        + b"0\r\n"
        + (b"a: " + b"b" * 4000 + b"\r\n") * (MAX_HTTP1_HEAD // 4000),
        431,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_request_is_refused_however_it_comes(name: str) -> None:
    data, status = BAD[name]
    # The long ones take long, byte by byte.
    for size in (10_000, 1 << 24, *((1, 7) if len(data) < 10_000 else ())):
        assert refusal(data + GET, size).split(b" ")[1] == b"%d" % status


def test_refusals_have_gos_words() -> None:
    with pytest.raises(Http1Error) as error:
        told(b"GET / HTTP/1.1\r\n\r\n")
    assert error.value.answer == (
        b"HTTP/1.1 400 Bad Request: missing required Host header\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        b"400 Bad Request: missing required Host header"
    )
    assert refusal(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n").endswith(b": malformed Host header")
    assert refusal(BAD["another version"][0]).endswith(b": unsupported protocol version")


def test_nothing_is_read_behind_a_refusal() -> None:
    parser = Http1Parser()
    parser.feed(BAD["no colon"][0] + GET)
    with pytest.raises(Http1Error):
        parser.next_event()
    assert parser.next_event() is None


def outcome(data: bytes, size: int) -> tuple[list[Told], str]:
    """Return the requests in some bytes, and how they are refused."""
    parser, found = Http1Parser(), Collector()
    try:
        for start in range(0, len(data), size):
            parser.feed(data[start : start + size])
            found.take(parser)
    except Http1Error as error:
        return found.requests, str(error)
    return found.requests, ""


PARTS = (
    b"GET", b"POST", b" ", b"/", b"/v3/kv/put", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r",
    b"\r\n\r\n", b"Host: x\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"0",
    b"5", b"0\r\n\r\n", b"hello", b";", b":", b"\t", b"\0", b"\xff", b"Connection: close\r\n",
    b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"ffffffff",
)  # fmt: skip


def noise(random_: random.Random) -> bytes:
    """Return requests, bent in a few places."""
    data = bytearray(b"".join(random_.choices((GET, POST, CHUNKED), k=random_.randint(1, 3))))
    for _ in range(random_.randint(0, 3)):
        place = random_.randrange(len(data))
        data[place : place + random_.choice((0, 0, 1, 2, 9))] = random_.choice(PARTS)
    return bytes(data)


@pytest.mark.parametrize("block", range(10))
def test_bytes_mean_the_same_however_they_come(block: int) -> None:
    for seed in range(block * 300, block * 300 + 300):
        random_ = random.Random(seed)
        data = noise(random_)
        whole = outcome(data, len(data))
        assert outcome(data, 1) == whole, (seed, data)
        assert outcome(data, random_.randint(2, 40)) == whole, (seed, data)


# -------------------- what goes out


def head_of(response: HttpResponse, request: bytes, **how: bool) -> list[bytes]:
    [(head, _)] = told(request)
    encoded = encode_head(response, head, 0.5, **how)
    assert encoded.endswith(b"\r\n\r\n")
    return encoded[:-4].split(b"\r\n")


def test_names_are_written_as_go_does_and_the_length_is_added() -> None:
    response = HttpResponse(404, ((b"x-content-type-options", b"nosniff"),), b"abc")
    assert head_of(response, GET, closes=False, has_length=True) == [
        b"HTTP/1.1 404 Not Found",
        b"X-Content-Type-Options: nosniff",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Content-Length: 3",
    ]


@pytest.mark.parametrize("day", [*range(0, 400, 29), 11_016, 19_782, 24_837])
def test_date_is_that_of_the_answer(day: int) -> None:
    moment = day * 86_400 + 31_337.75
    [(head, _)] = told(GET)
    lines = encode_head(HttpResponse(204), head, moment, closes=False, has_length=True)
    assert f"\r\nDate: {formatdate(int(moment), usegmt=True)}\r\n".encode() in lines


@pytest.mark.parametrize("status", [101, 204])
def test_what_can_have_no_content_has_no_length(status: int) -> None:
    lines = head_of(HttpResponse(status), GET, closes=False, has_length=True)
    assert not any(line.startswith(b"Content-Length") for line in lines)


def test_end_of_a_body_is_told_in_chunks_or_by_closing() -> None:
    response = HttpResponse(499)
    assert head_of(response, GET, closes=True, has_length=False) == [
        b"HTTP/1.1 499 status code 499",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
    ]
    old = b"GET / HTTP/1.0\r\n\r\n"
    assert head_of(response, old, closes=True, has_length=False) == [
        b"HTTP/1.0 499 status code 499",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
    ]
    kept = head_of(response, old, closes=False, has_length=True)
    assert kept[-1] == b"Connection: keep-alive"


def test_chunks_begin_with_their_size() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


class TestWholeRequests:
    """What comes in one piece, as most requests do, is read as in many."""

    @pytest.mark.parametrize("data", [GET, POST])
    def test_it_is_what_its_events_are(self, data: bytes) -> None:
        parser = Http1Parser()
        whole = parser.take_whole(data)
        assert whole is not None
        assert [whole] == told(data)
        assert parser.is_done

    @pytest.mark.parametrize("data", [GET, POST])
    def test_the_next_one_may_follow(self, data: bytes) -> None:
        parser = Http1Parser()
        assert parser.take_whole(data) is not None
        assert parser.take_whole(data) is None, "the one before is not answered"
        parser.start_next()
        assert parser.take_whole(data) is not None

    @pytest.mark.parametrize(
        "data",
        [
            GET[:-1],
            GET + b"G",
            POST[:-1],
            POST + b"G",
            CHUNKED,
            b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\n\n\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: " + 2000 * b"a" + b"\r\n\r\n",
            POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"),
            b"\r\n\r\n",
            b"",
        ],
    )
    def test_all_else_is_left_to_the_events(self, data: bytes) -> None:
        parser = Http1Parser()
        assert parser.take_whole(data) is None
        assert parser.is_between

    def test_what_came_before_belongs_to_it(self) -> None:
        parser = Http1Parser()
        parser.feed(GET[:10])
        assert parser.take_whole(GET) is None
        assert parser.waiting == 10

    def test_a_head_that_was_seen_before_has_its_own_body(self) -> None:
        parser = Http1Parser()
        bodies = []
        for body in (b"hello", b"world"):
            whole = parser.take_whole(POST.replace(b"hello", body))
            assert whole is not None
            bodies.append(whole[1])
            parser.start_next()
        assert bodies == [b"hello", b"world"]
