"""Requests that are refused, each with grpc-go's answer, and those that are not."""

import pytest

from etcdpy.transport.grpc.request_head import (
    METHOD,
    MalformedRequest,
    RequestHead,
    check_trailers,
    read_head,
    time_out,
)

from ..peer import request_fields, routes

Fields = list[tuple[bytes, bytes]]

PATH = "/test.Echo/Unary"


def fields(path: str = PATH, *extra: tuple[str, str], **changed: str | None) -> Fields:
    """Return a good request's fields, some changed (``_`` for ``-``, None to leave one out)."""
    changes = {name.replace("_", "-"): value for name, value in changed.items()}
    listed = [(name, changes.get(name.lstrip(":"), value)) for name, value in request_fields(path)]
    return [(n.encode(), v.encode()) for n, v in [*listed, *extra] if v is not None]


def head(*args: str | tuple[str, str], **changed: str | None) -> RequestHead:
    return read_head(fields(*args, **changed), routes())  # type: ignore[arg-type]


def refusal(*args: str | tuple[str, str], **changed: str | None) -> tuple[int, int, str]:
    refused = head(*args, **changed).refusal
    assert refused is not None
    return refused.http_status, refused.error.code.value, refused.error.details


class TestGood:
    def test_plain_unary_request_may_take_the_shortest_path(self) -> None:
        good = head()
        assert good.refusal is None
        assert good.direct
        assert good.path == PATH

    def test_stream_may_not(self) -> None:
        assert not head("/test.Echo/Stream").direct

    def test_gzip_may_not_and_is_answered_in_kind(self) -> None:
        good = head(PATH, ("grpc-encoding", "gzip"))
        assert (good.direct, good.is_gzip) == (False, True)
        assert b"grpc-encoding" in good.response.block

    def test_te_may_be_missing(self) -> None:
        assert head(te=None).refusal is None

    def test_host_serves_as_authority(self) -> None:
        assert head(PATH, ("host", "example.com"), authority=None).authority == "example.com"

    def test_subtype_is_echoed(self) -> None:
        good = head(content_type="application/grpc+proto")
        assert b"application/grpc+proto" in good.response.block

    def test_parameters_are_not(self) -> None:
        good = head(content_type="application/grpc; charset=utf-8")
        assert good.refusal is None
        assert b"charset" not in good.response.block

    def test_equal_content_lengths_are_one(self) -> None:
        assert head(PATH, ("content-length", "7"), ("content-length", "7")).content_length == 7

    @pytest.mark.parametrize("content_type", ["text/plain", "application/json", "", None])
    def test_other_content_types_are_not_grpc(self, content_type: str | None) -> None:
        assert head(content_type=content_type).http_fields is not None
        for method in ("GET", "HEAD"):
            asked = head(content_type=content_type, method=method)
            assert asked.http_fields is not None
            assert asked.refusal is None

    @pytest.mark.parametrize("subtype", ["application/grpc+", "application/grpc;x"])
    def test_empty_subtype_is_not_echoed(self, subtype: str) -> None:
        assert head(content_type=subtype).response is head().response

    def test_of_several_content_types_the_last_good_one_counts(self) -> None:
        good = head(PATH, ("content-type", "application/grpc+proto"), ("content-type", "text/x"))
        assert good.refusal is None
        assert b"application/grpc+proto" in good.response.block

    def test_of_several_encodings_the_last_counts(self) -> None:
        good = head(PATH, ("grpc-encoding", "snappy"), ("grpc-encoding", "gzip"))
        assert good.is_gzip


class TestRefused:
    def test_two_hosts(self) -> None:
        assert refusal(PATH, ("host", "a"), ("host", "b")) == (
            400,
            13,
            "num values of :authority: 1, num values of host: 2, "
            "both must only have 1 value as per HTTP/2 spec",
        )

    def test_no_authority_and_no_host(self) -> None:
        text = "no host or :authority header present"
        assert refusal(authority=None) == (400, 13, text)

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/grpc-web",
            "application/grpcx",
            "x application/grpc",
            "application/json",
            "Application/grpc",
            "",
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_content_type(self, content_type: str, method: str) -> None:
        text = f'invalid gRPC request content-type "{content_type}"'
        assert refusal("/any", content_type=content_type, method=method) == (415, 3, text)

    def test_no_content_type(self) -> None:
        text = 'invalid gRPC request content-type ""'
        assert refusal(content_type=None) == (415, 3, text)

    def test_base64(self) -> None:
        text = (
            'malformed binary metadata "!!!" in header "foo-bin": '
            "illegal base64 data at input byte 0"
        )
        assert refusal(PATH, ("foo-bin", "!!!")) == (400, 13, text)

    def test_method(self) -> None:
        text = 'Received a HEADERS frame with :method "GET" which should be POST'
        assert refusal(method="GET") == (405, 13, text)

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("Range", 'malformed method name: "Range"'),
            ("/Range", 'malformed method name: "/Range"'),
            ("test.Echo/Unary", 'malformed method name: "test.Echo/Unary"'),
            ("/foo.Bar/Baz", "unknown service foo.Bar"),
            ("/test.Echo/Nope", "unknown method Nope for service test.Echo"),
            ("/test.Echo/Unary?x=1", "unknown method Unary?x=1 for service test.Echo"),
            ("/a/b/c", "unknown service a/b"),
            ("//x", "unknown service "),
            ("/test.Echo/", "unknown method  for service test.Echo"),
        ],
    )
    def test_path(self, path: str, text: str) -> None:
        assert refusal(path) == (200, 12, text)

    def test_encoding(self) -> None:
        text = 'grpc: Decompressor is not installed for grpc-encoding "snappy"'
        assert refusal(PATH, ("grpc-encoding", "snappy")) == (200, 12, text)

    def test_the_first_fault_in_order_is_told(self) -> None:
        assert refusal("/nope", ("foo-bin", "!"), method="GET")[0] == 400
        assert refusal("/nope", ("grpc-encoding", "snappy"), method="GET")[0] == 405
        assert refusal("/no/pe", ("grpc-encoding", "snappy"))[2] == "unknown service no"


class TestMalformed:
    @pytest.mark.parametrize(
        "extra",
        [
            ("Upper", "x"),
            ("sp ace", "x"),
            ("", "x"),
            ("x", "a\0b"),
            ("x", "a\r\nb"),
            (":status", "200"),
            (":unknown", "x"),
            (":path", "/again"),
            (":authority", "late"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("content-length", "-1"),
            ("content-length", "x"),
        ],
    )
    def test_field(self, extra: tuple[str, str]) -> None:
        with pytest.raises(MalformedRequest):
            head(PATH, extra)

    @pytest.mark.parametrize("name", ["method", "scheme", "path"])
    @pytest.mark.parametrize("value", [None, ""])
    def test_missing_pseudo_header(self, name: str, value: str | None) -> None:
        with pytest.raises(MalformedRequest):
            head(**{name: value})

    def test_contradicting_content_lengths(self) -> None:
        with pytest.raises(MalformedRequest):
            head(PATH, ("content-length", "7"), ("content-length", "8"))

    def test_trailers_are_regular_fields(self) -> None:
        check_trailers([(b"x", b"y")])
        for name in (b":path", b"Upper"):
            with pytest.raises(MalformedRequest):
                check_trailers([(name, b"y")])


class TestTimeout:
    def test_good_one_leaves_the_head_as_it_is(self) -> None:
        good = head()
        assert time_out(good, b"5S") == (good, 5.0)

    def test_malformed_one_is_refused(self) -> None:
        refused, seconds = time_out(head(), b"1.5S")
        assert seconds is None
        assert refused.refusal is not None
        assert refused.refusal.http_status == 400

    def test_one_that_is_over_is_refused(self) -> None:
        refused, _ = time_out(head(), b"0n")
        assert refused.refusal is not None
        assert refused.refusal.error.details == "context deadline exceeded"

    def test_earlier_faults_come_first_and_later_ones_do_not(self) -> None:
        by_type = head(content_type="application/grpcx")
        assert time_out(by_type, b"bad")[0] is by_type
        by_method = head(method="GET")
        assert by_method.refusal is not None
        assert by_method.refusal.rank == METHOD
        assert time_out(by_method, b"0n")[0] is by_method
        by_path = time_out(head("/nope"), b"0n")[0]
        assert by_path.refusal is not None
        assert by_path.refusal.error.details == "context deadline exceeded"

    def test_what_is_not_grpc_has_none(self) -> None:
        other = head(content_type="text/plain")
        assert time_out(other, b"bad") == (other, None)
