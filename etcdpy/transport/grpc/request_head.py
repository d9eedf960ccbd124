"""
From the fields of a header block to a request that is known to be good, or why it is not.

The order of the checks is grpc-go's, so that a request with two faults gets the same answer.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from etcdpy.gostd.quoting import go_quote
from etcdpy.transport.grpc.metadata import Metadatum, parse_timeout, read_metadata
from etcdpy.transport.grpc.response_head import GRPC, ResponseHead, response_head
from etcdpy.transport.grpc.routes import Route, RouteTable
from etcdpy.transport.grpc.status import (
    DEADLINE_EXCEEDED,
    INTERNAL,
    INVALID_ARGUMENT,
    UNIMPLEMENTED,
    ProtocolStatus,
    StatusError,
)
from etcdpy.transport.grpc.tally import UNCOUNTED, Tally
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.header_room import Reservation
from etcdpy.transport.http2.hpack import Field


class Refusal:
    """
    An answer that needs no handler.

    Attributes:
        rank: The place of the failed check in the order of checks.
        http_status: For ``:status``.
        error: For grpc-status and grpc-message.
        waits: Whether it is given when the whole request has arrived, and not at once.

    """

    __slots__ = ("error", "http_status", "rank", "waits")

    def __init__(
        self, rank: int, http_status: int, error: StatusError, *, waits: bool = False
    ) -> None:
        self.rank = rank
        self.http_status = http_status
        self.error = error
        self.waits = waits


# Ranks of checks. A refusal for too many streams comes between METADATA and METHOD.
HOST, CONTENT_TYPE, TIMEOUT, METADATA, METHOD, DEADLINE, PATH, ENCODING = range(8)


class RequestHead:
    """
    One request's headers, checked; shared by all calls that send the same, so immutable.

    Attributes:
        refusal: Set if the call is to be refused; of a request that is not gRPC, what etcd answers
            on a connection that takes nothing else.
        route: Set unless refused or not gRPC.
        direct: Whether it can be answered by the shortest path: unary and not compressed.
        one_by_one: The same of a stream each of whose requests gets a response.
        content_length: The length announced for all DATA, or -1.
        metadata: The custom metadata.
        response: The response headers.
        is_gzip: Whether messages may be compressed; then answers are.
        method: ``:method``, in text.
        path: ``:path``, in text.
        reservation: What keeps the place of a large one, for as long as it lives.
        size: Bytes of its fields if they are many, and so are of one call alone; else 0.
        http_fields: The regular fields of a request that is not gRPC, else None.
        tally: What its calls count on.
        memo: What the services have made of the metadata; theirs to set once, and None before.

    """

    __slots__ = (
        "authority",
        "content_length",
        "direct",
        "http_fields",
        "is_gzip",
        "memo",
        "metadata",
        "method",
        "one_by_one",
        "path",
        "refusal",
        "reservation",
        "response",
        "route",
        "size",
        "tally",
    )

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.route: Route | None = None
        self.direct = self.one_by_one = False
        self.content_length = -1
        self.metadata: tuple[Metadatum, ...] = ()
        self.response: ResponseHead = response_head(GRPC)
        self.is_gzip = False
        self.method = ""
        self.path = ""
        self.authority = ""
        self.http_fields: list[Field] | None = None
        self.memo: Any = None
        self.reservation: Reservation | None = None
        self.size = 0
        self.tally: Tally = UNCOUNTED


class MalformedRequest(Exception):  # noqa: N818
    """RFC 9113 8.1.1: the stream is reset with PROTOCOL_ERROR."""

    code: Final = frames.PROTOCOL_ERROR


def read_head(fields: Sequence[Field], routes: RouteTable) -> RequestHead:
    """
    Check the fields of a request, all but grpc-timeout, which :func:`time_out` sees to.

    Raises:
        MalformedRequest: It is not HTTP/2.

    """
    pseudo, regular = _split(fields)
    head = RequestHead()
    hosts, content_types = [], []
    for name, value in regular:
        # RFC 9113 8.2.2
        if name in _CONNECTION_SPECIFIC or (name == b"te" and value != b"trailers"):
            raise MalformedRequest(name.decode("ascii"))
        if name == b"content-length":
            head.content_length = _content_length(value, head.content_length)
        elif name == b"content-type":
            content_types.append(value)
        elif name == b"host":
            hosts.append(value)
    head.method = pseudo[b":method"].decode("latin-1")
    head.path = pseudo[b":path"].decode("utf-8", "replace")
    # RFC 9113 8.3.1: a request without :authority may have host instead.
    head.authority = pseudo.get(b":authority", hosts[0] if hosts else b"").decode("latin-1")
    # As etcd's server for TLS tells them apart: what contains it gets an answer of gRPC.
    if not any(GRPC in content_type for content_type in content_types):
        head.http_fields = regular
        # Browsers, probes and tools ask with these, which are never meant for gRPC.
        if head.method in ("GET", "HEAD"):
            return head
    head.refusal = _check_grpc(head, pseudo, regular, hosts, content_types, routes)
    route = head.route
    if head.refusal is None and route is not None and not head.is_gzip:
        head.direct = not route.request_streaming and not route.response_streaming
        # An announced length has to be compared with the DATA (RFC 9113 8.1.1): the long way.
        head.one_by_one = route.one_reply_per_request and head.content_length < 0
    return head


def _check_grpc(
    head: RequestHead,
    pseudo: dict[bytes, bytes],
    regular: list[Field],
    hosts: list[bytes],
    content_types: list[bytes],
    routes: RouteTable,
) -> Refusal | None:
    """Fill in ``head`` up to the first fault and return the answer to that."""
    if len(hosts) > 1:
        text = (
            f"num values of :authority: {int(b':authority' in pseudo)}, num values of host: "
            f"{len(hosts)}, both must only have 1 value as per HTTP/2 spec"
        )
        return Refusal(HOST, 400, ProtocolStatus(INTERNAL, text))
    if not hosts and b":authority" not in pseudo:
        text = "no host or :authority header present"
        return Refusal(HOST, 400, ProtocolStatus(INTERNAL, text))
    # gRPC over HTTP/2, "Content-Type": a server answers others with 415. Of several the last good
    # one counts, or the last. (grpc-go: internal/transport/http2_server.go, operateHeaders)
    good = [content_type for content_type in content_types if _is_grpc(content_type)]
    if not good:
        text = f"invalid gRPC request content-type {go_quote((content_types or [b''])[-1])}"
        # What may be no call at all is held to HTTP's rules first: that an announced length is
        # that of the DATA, and that trailers are the end (RFC 9113 8.1, 8.1.1).
        waits = not content_types or head.content_length >= 0
        return Refusal(CONTENT_TYPE, 415, ProtocolStatus(INVALID_ARGUMENT, text), waits=waits)
    try:
        head.metadata = read_metadata(regular)
    except ProtocolStatus as error:
        return Refusal(METADATA, 400, error)
    if pseudo[b":method"] != b"POST":
        text = (
            f"Received a HEADERS frame with :method {go_quote(pseudo[b':method'])} "
            "which should be POST"
        )
        return Refusal(METHOD, 405, ProtocolStatus(INTERNAL, text))
    try:
        head.route = routes.find(pseudo[b":path"])
    except ProtocolStatus as error:
        return Refusal(PATH, 200, error)
    head.tally = head.route.counts.of(head.metadata)
    encodings = [value for name, value in regular if name == b"grpc-encoding"]
    encoding = encodings[-1] if encodings else b"identity"
    if encoding not in (b"identity", b"gzip", b""):
        text = f"grpc: Decompressor is not installed for grpc-encoding {go_quote(encoding)}"
        return Refusal(ENCODING, 200, ProtocolStatus(UNIMPLEMENTED, text))
    head.is_gzip = encoding == b"gzip"
    # A subtype is echoed, parameters are not (RFC 9110 leaves no room for grpc-go's echo).
    echoed = good[-1].partition(b";")[0].removesuffix(b"+")
    head.response = response_head(echoed, b"gzip" if head.is_gzip else None)
    return None


def _is_grpc(content_type: bytes) -> bool:
    return content_type == GRPC or content_type.startswith((GRPC + b"+", GRPC + b";"))


# RFC 9113 8.2.1: a token of RFC 9110 5.6.2, but without upper case.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
# RFC 9113 8.2.1 and RFC 9110 5.5: control characters other than tab.
_FORBIDDEN_IN_VALUE: Final = bytes((*range(0x09), *range(0x0A, 0x20), 0x7F))
_PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
_CONNECTION_SPECIFIC: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)


def _split(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], list[Field]]:
    """Return pseudo-header fields and the others (RFC 9113 8.2, 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    regular: list[Field] = []
    for name, value in fields:
        if len(value.translate(None, _FORBIDDEN_IN_VALUE)) != len(value):
            raise MalformedRequest("value")
        if name.startswith(b":"):
            if regular or name in pseudo or name not in _PSEUDO:  # RFC 9113 8.3
                raise MalformedRequest("pseudo-header fields")
            pseudo[name] = value
        elif _NAME(name) is None:
            raise MalformedRequest("name")
        else:
            regular.append((name, value))
    # RFC 9113 8.3.1: these three; a client that has no authority sends none.
    if not (pseudo.get(b":method") and pseudo.get(b":scheme") and pseudo.get(b":path")):
        raise MalformedRequest("missing pseudo-header field")
    return pseudo, regular


def _content_length(value: bytes, before: int) -> int:
    # RFC 9110 8.6: a repeated length is harmless if it is the same. 19 digits hold 63 bits.
    if not value.isdigit() or len(value) > 19 or before not in (-1, int(value)):
        raise MalformedRequest("content-length")
    return int(value)


def check_trailers(fields: Sequence[Field]) -> None:
    """
    Check the fields that a client sends after its messages; gRPC has no use for them.

    Raises:
        MalformedRequest: A pseudo-header field is among them, or a name that is not allowed.

    """
    for name, _ in fields:
        if name.startswith(b":") or _NAME(name) is None:  # RFC 9113 8.1, 8.2.1
            raise MalformedRequest("trailers")


def time_out(head: RequestHead, value: bytes) -> tuple[RequestHead, float | None]:
    """
    Return what the head of a request becomes with a grpc-timeout, and the seconds.

    The seconds are None if the time is not limited. A timeout that is malformed or over at once
    makes it a refusal, unless an earlier check failed.
    """
    if head.http_fields is not None:
        return head, None
    try:
        seconds = parse_timeout(value)
    except ProtocolStatus as error:
        return _refuse(head, Refusal(TIMEOUT, 400, error)), None
    if seconds is not None and seconds <= 0:
        over = ProtocolStatus(DEADLINE_EXCEEDED, "context deadline exceeded")
        return _refuse(head, Refusal(DEADLINE, 200, over)), None
    return head, seconds


def _refuse(head: RequestHead, refusal: Refusal) -> RequestHead:
    if head.refusal is not None and head.refusal.rank < refusal.rank:
        return head
    # A new one, as the other is shared by calls whose timeout is good.
    refused = RequestHead()
    refused.refusal = refusal
    refused.content_length = head.content_length
    return refused
