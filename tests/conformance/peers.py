"""One server as the comparison sees it: raw requests in, raw replies and a status out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from tests.support.client import CHANNEL_OPTIONS

CALL_TIMEOUT = 60.0

# Whoever iterates over replies waits for them: grpcio would start a thread for each call.
# (grpc.experimental.ChannelOptions)
OPTIONS = (*CHANNEL_OPTIONS, ("SingleThreadedUnaryStream", 1))


class Method(NamedTuple):
    path: str
    reply: type[Message]


RANGE_STREAM = Method("/etcdserverpb.KV/RangeStream", pb.RangeStreamResponse)

WATCH = Method("/etcdserverpb.Watch/Watch", pb.WatchResponse)

# The method a request goes to, where its type says it.
METHODS: dict[type[Message], Method] = {
    pb.RangeRequest: Method("/etcdserverpb.KV/Range", pb.RangeResponse),
    pb.PutRequest: Method("/etcdserverpb.KV/Put", pb.PutResponse),
    pb.DeleteRangeRequest: Method("/etcdserverpb.KV/DeleteRange", pb.DeleteRangeResponse),
    pb.TxnRequest: Method("/etcdserverpb.KV/Txn", pb.TxnResponse),
    pb.CompactionRequest: Method("/etcdserverpb.KV/Compact", pb.CompactionResponse),
    pb.MemberListRequest: Method("/etcdserverpb.Cluster/MemberList", pb.MemberListResponse),
    pb.MemberAddRequest: Method("/etcdserverpb.Cluster/MemberAdd", pb.MemberAddResponse),
    pb.MemberRemoveRequest: Method("/etcdserverpb.Cluster/MemberRemove", pb.MemberRemoveResponse),
    pb.MemberUpdateRequest: Method("/etcdserverpb.Cluster/MemberUpdate", pb.MemberUpdateResponse),
    pb.MemberPromoteRequest: Method(
        "/etcdserverpb.Cluster/MemberPromote", pb.MemberPromoteResponse
    ),
    pb.StatusRequest: Method("/etcdserverpb.Maintenance/Status", pb.StatusResponse),
    pb.AlarmRequest: Method("/etcdserverpb.Maintenance/Alarm", pb.AlarmResponse),
    pb.HashKVRequest: Method("/etcdserverpb.Maintenance/HashKV", pb.HashKVResponse),
    pb.HashRequest: Method("/etcdserverpb.Maintenance/Hash", pb.HashResponse),
    pb.MoveLeaderRequest: Method("/etcdserverpb.Maintenance/MoveLeader", pb.MoveLeaderResponse),
    pb.DowngradeRequest: Method("/etcdserverpb.Maintenance/Downgrade", pb.DowngradeResponse),
    pb.DefragmentRequest: Method("/etcdserverpb.Maintenance/Defragment", pb.DefragmentResponse),
    pb.LeaseGrantRequest: Method("/etcdserverpb.Lease/LeaseGrant", pb.LeaseGrantResponse),
    pb.LeaseRevokeRequest: Method("/etcdserverpb.Lease/LeaseRevoke", pb.LeaseRevokeResponse),
}


@dataclass(frozen=True)
class Call:
    """A request, decoded or as bytes that may not decode, where it goes, and its metadata."""

    method: Method
    request: Message | bytes
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, request: Message) -> Call:
        return cls(METHODS[type(request)], request)

    @property
    def payload(self) -> bytes:
        if isinstance(self.request, bytes):
            return self.request
        return self.request.SerializeToString()


def ranges(request: Message | bytes) -> Iterator[pb.RangeRequest]:
    """Iterate over the Range that ``request`` is, or those that a transaction holds."""
    if isinstance(request, pb.RangeRequest):
        yield request
    elif isinstance(request, pb.TxnRequest):
        for op in operations(request):
            if op.HasField("request_range"):
                yield op.request_range


def operations(request: pb.TxnRequest) -> Iterator[pb.RequestOp]:
    """Iterate over the operations of both branches, those of nested transactions included."""
    for op in (*request.success, *request.failure):
        yield op
        if op.HasField("request_txn"):
            yield from operations(op.request_txn)


@dataclass(frozen=True)
class Outcome:
    """Everything a client sees of a call: its status and the bytes of each reply."""

    method: Method
    code: grpc.StatusCode
    details: str
    payloads: tuple[bytes, ...] = ()

    @classmethod
    def ok(cls, method: Method, *replies: Message) -> Outcome:
        payloads = tuple(reply.SerializeToString() for reply in replies)
        return cls(method, grpc.StatusCode.OK, "", payloads)

    @classmethod
    def failed(cls, method: Method, error: tuple[str, str]) -> Outcome:
        return cls(method, grpc.StatusCode[error[0]], error[1])

    @property
    def error(self) -> tuple[str, str] | None:
        """The status as (code name, text), or None for OK."""
        return None if self.code is grpc.StatusCode.OK else (self.code.name, self.details)

    @property
    def replies(self) -> list[Any]:
        """The replies decoded. Any, for a test reads the fields of the reply it asked for."""
        return [self.method.reply.FromString(payload) for payload in self.payloads]

    @property
    def reply(self) -> Any:
        """The only reply of a call that must have succeeded."""
        assert self.error is None, self.error
        (reply,) = self.replies
        return reply

    def map(self, change: Callable[[Any], None]) -> Outcome:
        """Return this outcome with ``change`` applied to each decoded reply."""
        replies = self.replies
        for reply in replies:
            change(reply)
        payloads = tuple(reply.SerializeToString() for reply in replies)
        return Outcome(self.method, self.code, self.details, payloads)


# Something that answers calls.
Ask = Callable[[Call], Outcome]


class Peer:
    """A connection to one of the two servers."""

    def __init__(
        self,
        address: str,
        timeout: float = CALL_TIMEOUT,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._timeout = timeout
        # Any: the types of grpcio ask for serializers, which raw bytes do without.
        self._channel: Any = (
            grpc.secure_channel(address, credentials, options=OPTIONS)
            if credentials
            else grpc.insecure_channel(address, options=OPTIONS)
        )
        self._callables: dict[str, Any] = {}

    def send(self, call: Call) -> Outcome:
        return self.start(call)()

    def start(self, call: Call) -> Callable[[], Outcome]:
        """Send a request; the function returned waits for the outcome."""
        stream = self.begin(call.method, call.payload, self._timeout, call.metadata or None)
        return lambda: _collect(call.method, stream)

    def begin(
        self,
        method: Method,
        payload: bytes,
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str]] | None = None,
    ) -> Any:
        """Start a call with one encoded request, and no more; iterate over its encoded replies."""
        # Every call is made as if replies were streamed: how many came is compared as well.
        if method.path not in self._callables:
            self._callables[method.path] = self._channel.unary_stream(method.path)
        return self._callables[method.path](payload, timeout=timeout, metadata=metadata)

    def watch(self, request: pb.WatchCreateRequest, responses: int) -> list[pb.WatchResponse]:
        """Create a watcher and return as many responses as are asked for."""
        return list(islice(self._watched(request), responses))

    def history(self, first: int, last: int) -> list[mvccpb.Event]:
        """Return the events from revision ``first`` to ``last``, as a watch of all keys tells."""
        request = pb.WatchCreateRequest(
            key=b"\0", range_end=b"\0", start_revision=first, prev_kv=True
        )
        events: list[mvccpb.Event] = []
        responses = self._watched(request)
        while not events or events[-1].kv.mod_revision < last:
            response = next(responses)
            assert not response.canceled, response
            events.extend(response.events)
        return events

    def _watched(self, request: pb.WatchCreateRequest) -> Iterator[pb.WatchResponse]:
        create = pb.WatchRequest(create_request=request)
        stream = self.begin(WATCH, create.SerializeToString(), CALL_TIMEOUT)
        try:
            yield from map(pb.WatchResponse.FromString, stream)
        finally:
            stream.cancel()

    def stream(
        self,
        method: Method,
        requests: Iterator[bytes],
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str]] | None = None,
    ) -> Any:
        """Start a call with a stream of encoded requests; iterate over its encoded replies."""
        begin = self._channel.stream_stream(method.path)
        return begin(requests, timeout=timeout, metadata=metadata)

    def close(self) -> None:
        self._channel.close()


def _collect(method: Method, stream: Any) -> Outcome:
    payloads: list[bytes] = []
    with suppress(grpc.RpcError):  # the status below tells
        payloads.extend(stream)
    return Outcome(method, stream.code(), stream.details(), tuple(payloads))
