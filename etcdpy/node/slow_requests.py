"""
Warnings of requests that take longer than an operator wants them to.

``--warning-apply-duration`` is about the work of a KV request: reading, or changing the store;
``--warning-unary-request-duration`` about all the time a client waits, the disk included. The
lines are etcd's, but for the raft header that a request has there.

The shortest requests must not pay for the longest. Work goes in slices of half a millisecond,
so only what takes more than one is timed; and what waits is timed by the clock that was read
when its bytes arrived. Only where a limit is so low that this would miss something, or the log
shows every request, is each one timed for itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

from etcdpy.clock import Clock, SystemClock
from etcdpy.cooperative import LongReply, Pieces
from etcdpy.gostd.durations import go_duration
from etcdpy.logs import timestamp
from etcdpy.mvcc.plain_txn import PlainTxn
from etcdpy.mvcc.txn import is_read_only
from etcdpy.mvcc.txn_request import LongTxn, Txn, op_size
from etcdpy.node.describe import describe
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.wire import encoded, read_varint

__all__ = ["SlowRequests"]

logger = logging.getLogger(__name__)

#: Below this many seconds a limit needs every request to be timed: ten slices.
CLOSE = 0.005

#: Work that takes no longer goes into no figures, unless every request is timed for them.
SLICE_SECONDS = 0.0005

#: A reply up to this size is decoded to be described; a larger one would hold up the loop.
DECODED_BYTES = 1 << 20


#: What writes are called where it is told how long they took.
_APPLIED: dict[type, str] = {
    pb.PutRequest: "Put",
    pb.DeleteRangeRequest: "DeleteRange",
    Txn: "Txn",
    PlainTxn: "Txn",
    LongTxn: "Txn",
}


class SlowRequests:
    """
    Judges how long requests took.

    Args:
        apply_limit: Seconds that the work of a KV request may take.
        request_limit: Seconds that a unary request may take.
        clock: Says when a request began.
        times_all: Have every request timed, whatever the limits.

    Attributes:
        is_close: Whether every request has to be timed.
        slow: How many requests on keys were slow.
        on_applied: Called with what a request on keys was, and the seconds of its work, if that
            was timed and took more than a slice, or everything is timed.
        on_ended: Called with what a unary request was, whether it went well, and how long it
            took, if every request is timed for that.

    """

    def __init__(
        self,
        apply_limit: float = math.inf,
        request_limit: float = math.inf,
        clock: Clock | None = None,
        *,
        times_all: bool = False,
    ) -> None:
        self._clock = clock or SystemClock()
        self._apply_limit = apply_limit
        self._request_limit = request_limit
        self._is_verbose = logger.isEnabledFor(logging.DEBUG)
        self.slow = 0
        self.on_applied: Callable[[str, float], None] = lambda kind, took: None
        self.on_ended: Callable[[str, bool, float], None] = lambda kind, is_good, took: None
        self._times_all = times_all
        self.is_close = times_all or self._is_verbose or min(apply_limit, request_limit) < CLOSE

    @property
    def slower_than(self) -> float:
        """Seconds from which on ``ended`` has to hear of a request; 0: of every one."""
        return 0.0 if self.is_close else self._request_limit

    def applied(self, request: Message | Txn, reply: object, took: float) -> None:
        """
        Warn of a KV request whose work took long.

        Args:
            request: As its handler has it.
            reply: The encoded reply.
            took: Seconds, without the time it waited for its turn or for the disk.

        """
        if took > SLICE_SECONDS or self._times_all:
            self.on_applied(_APPLIED.get(type(request), "Range"), took)
        if took <= self._apply_limit or not isinstance(reply, (bytes, Pieces, LongReply)):
            return
        self.slow += 1
        if not logger.isEnabledFor(logging.WARNING):
            return
        with _harmless():
            prefix, form = _kind(request)
            fields = {
                "took": go_duration(took),
                "expected-duration": go_duration(self._apply_limit),
                "prefix": prefix,
                "request": form.format(describe(request)),
                "response": _response(request, reply),
            }
            logger.warning("apply request took too long", fields)

    def ended(self, method: str, peer: str, request: Any, response: Any, took: float) -> None:
        """
        Log how long a unary request took: a warning if that was too long, else for debugging.

        Args:
            method: Its full name, ``/etcdserverpb.KV/Put``.
            peer: Who asked, as gRPC writes it.
            request: As its handler had it.
            response: What it returned, None if it failed.
            took: Seconds from its arrival.

        """
        if self._times_all:
            kind = method.rpartition("/")[2]
            is_read = isinstance(request, Txn) and is_read_only(request)
            self.on_ended("ReadonlyTxn" if is_read else kind, response is not None, took)
        is_slow = took > self._request_limit
        if not (self._is_verbose or (is_slow and logger.isEnabledFor(logging.WARNING))):
            return
        with _harmless():
            fields: dict[str, object] = {
                "start time": timestamp(self._clock.wall() - took),
                "time spent": go_duration(took),
                "remote": _remote(peer),
                "response type": method,
                **_sizes(request, None if response is None else encoded(response)),
            }
            # etcd: at debug level every line is a debug line.
            logger.log(
                logging.DEBUG if self._is_verbose else logging.WARNING, "request stats", fields
            )


@contextmanager
def _harmless() -> Iterator[None]:
    """
    Let nothing that fails in the block get any further than the log.

    The request was applied: what it is told must not hang on whether it can be described.
    """
    try:
        yield
    except Exception:
        logger.exception("cannot describe a request")


def _remote(peer: str) -> str:
    """Return a client's address as etcd logs it; a client's unix socket has no name."""
    kind, _, address = peer.partition(":")
    return "@" if kind == "unix" else address


#: What etcd shows of each kind of request that goes through its raft, next to its header.
_FORMS = {
    pb.PutRequest: "put:<{}>",
    pb.DeleteRangeRequest: "delete_range:{{{}}}",
    Txn: "txn:<{}>",
    PlainTxn: "txn:<{}>",
    LongTxn: "txn:<{}>",
}


def _kind(request: Message | Txn) -> tuple[str, str]:
    """Return the prefix of a request in etcd's line, and the form its text has there."""
    if isinstance(request, pb.RangeRequest):
        return "read-only range ", "{}"
    if isinstance(request, Txn) and is_read_only(request):
        return "read-only txn ", "{}"
    return "", _FORMS[type(request)]


def _response(request: Message | Txn, reply: bytes | Pieces | LongReply) -> str:
    # As etcd's is at that moment: its header has only the revision yet.
    ends = _ends(reply)
    header = ends[2 : _after_header(ends)]
    revision = pb.ResponseHeader.FromString(header).revision
    size = f"size:{len(reply) - len(header) + pb.ResponseHeader(revision=revision).ByteSize()}"
    if len(reply) > DECODED_BYTES or isinstance(reply, LongReply):
        return size
    if isinstance(request, pb.RangeRequest):
        return f"range_response_count:{len(pb.RangeResponse.FromString(bytes(reply)).kvs)} {size}"
    if isinstance(request, Txn) and is_read_only(request):
        responses = pb.TxnResponse.FromString(bytes(reply)).responses
        counts = [
            f"range_response_count:{len(response.response_range.kvs)}"
            for response in responses
            if response.WhichOneof("response") == "response_range"
        ]
        return f"responses:<{' '.join(counts)}> {size}"
    return size


def _sizes(request: Any, whole: bytes | Pieces | LongReply | None) -> dict[str, object]:
    """Return what etcd tells of a KV request and its reply; of others it tells nothing."""
    size = 0 if whole is None else len(whole)
    reply = None if whole is None else _ends(whole)
    if isinstance(request, pb.PutRequest):
        numbers = 1, request.ByteSize(), 0, size
    elif isinstance(request, (pb.RangeRequest, pb.DeleteRangeRequest)):
        numbers = 0, request.ByteSize(), _count(request, reply), size
    elif not isinstance(request, Txn):
        numbers = -1, -1, -1, -1
    elif reply is None:
        numbers = 0, 0, 0, 0
    else:
        succeeded = _field_2(reply)
        branch = request.success if succeeded else request.failure
        if isinstance(request, LongTxn):
            # To weigh all of them would hold up the loop.
            weight = request.branch_sizes[0 if succeeded else 1]
        else:
            weight = sum(map(op_size, branch))
        numbers = len(branch), weight, 0, size
    is_told = numbers[0] >= 0 and not (isinstance(request, Txn) and reply is None)
    names = ("request count", "request size", "response count", "response size")
    return {
        **dict(zip(names, numbers, strict=True)),
        "request content": describe(request) if is_told else "",
    }


def _ends(reply: bytes | Pieces | LongReply) -> bytes:
    """Return what a reply begins and ends with: all that is not rows, or all of a short one."""
    if isinstance(reply, LongReply):
        return reply.ends
    return reply if isinstance(reply, bytes) else reply.pieces[0] + reply.pieces[-1]


def _count(request: Message, reply: bytes | None) -> int:
    """Return the count that a reply carries, without decoding its rows."""
    if reply is None:
        return 0
    if isinstance(request, pb.DeleteRangeRequest):
        return _field_2(reply)
    # RangeResponse.count is the last field, and left out if it is 0. (0x20: field 4, a varint)
    start = len(reply) - 1
    while start > 0 and reply[start - 1] & 0x80:
        start -= 1
    has_count = _after_header(reply) < start and reply[start - 1] == 0x20
    return read_varint(reply, start)[0] if has_count else 0


def _field_2(reply: bytes) -> int:
    """Return the number that follows the header of a reply, 0 if none does."""
    start = _after_header(reply)
    return read_varint(reply, start + 1)[0] if reply[start : start + 1] == b"\x10" else 0


def _after_header(reply: bytes) -> int:
    # A header is far shorter than 128 bytes: its length is one byte.
    return 2 + reply[1]
