"""
One call: the stream it travels on, and its request as it arrives. Does no I/O.

A call knows no connection. What arrives is handed to it, and it returns what that means
(:class:`Arrived`) or raises what the peer did wrong; whoever has called it acts on that, and then
sends what :meth:`Call.take_grant` returns.
"""

from __future__ import annotations

from asyncio import Future, Task
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any, Final

from etcdpy.cooperative import Pieces
from etcdpy.memory import UNCOUNTED, Account
from etcdpy.transport.grpc.messages import PREFIX, MessageReader, compress, decompress
from etcdpy.transport.grpc.outgoing import Outgoing, wake_all
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.states import HandlerState, StreamInput, StreamState, move_stream
from etcdpy.transport.grpc.status import INTERNAL, OK, UNKNOWN, Metadata, ProtocolStatus
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import StreamFault
from etcdpy.transport.http2.flow import ReceiveWindow
from etcdpy.transport.limits import INITIAL_STREAM_WINDOW

# Constants of this module are found faster than members of an enum.
_IDLE: Final = HandlerState.IDLE
_RUNNING: Final = HandlerState.RUNNING
_ENDING: Final = StreamState.OPEN_ENDING
_CLOSED: Final = StreamState.CLOSED
_RECV_END: Final = StreamInput.RECV_END


#: What does what a request asks: of one that is decoded, and of one as it came.
Takers = tuple[Callable[[Any], bool], Callable[[bytes], bool] | None]
#: The same, and what resolves when that has refused one.
Passing = tuple[Callable[[Any], bool], Callable[[bytes], bool] | None, Future[Any]]


class Arrived(Enum):
    """What to do about what has arrived on a stream."""

    NOTHING = auto()
    REQUEST = auto()
    """The request is complete: start its handler."""
    MORE = auto()
    """There is something for the handler that runs."""


_NOTHING: Final = Arrived.NOTHING
_REQUEST: Final = Arrived.REQUEST
_MORE: Final = Arrived.MORE


class Incoming:
    """
    What has arrived of a request.

    Args:
        limit: Longest message, or longest body of a request that is not gRPC.
        is_gzip: Whether messages may be compressed.
        account: What is kept is put to it.

    Attributes:
        reader: Cuts it into messages.
        limit: Longest message, or longest body of a request that is not gRPC.
        window: What may still come.
        granted: Bytes that ``window`` has granted and no WINDOW_UPDATE has said yet.
        received: The bytes of DATA so far, padding apart.
        message: The one message of a unary request, once it is complete, as it was sent.
        is_compressed: Whether that is compressed.
        is_counted: Whether the account knows of more than what ``reader`` has noted.
        is_settled: Whether the request is complete or hopeless: more bytes mean nothing.
        waiters: Readers to wake when something arrives.

    """

    __slots__ = (
        "_account",
        "_work",
        "granted",
        "is_compressed",
        "is_counted",
        "is_settled",
        "limit",
        "message",
        "reader",
        "received",
        "waiters",
        "window",
    )

    def __init__(self, limit: int, *, is_gzip: bool, account: Account = UNCOUNTED) -> None:
        self._account = account
        self.reader = MessageReader(limit, is_gzip=is_gzip, account=account)
        # What is held while the request is worked on.
        self._work = 0
        self.is_counted = False
        self.limit = limit
        self.window = ReceiveWindow(INITIAL_STREAM_WINDOW)
        self.granted = 0
        self.received = 0
        self.message: bytes | None = None
        self.is_compressed = False
        self.is_settled = False
        self.waiters: list[Future[None]] = []

    @property
    def held(self) -> int:
        """The bytes that the account knows of."""
        kept = 0 if self.message is None else len(self.message)
        return self.reader.noted + kept + self._work

    def wake(self) -> None:
        """Let readers look again."""
        wake_all(self.waiters)

    def keep(self, message: bytes) -> None:
        """Keep the message of a unary request until it is its turn."""
        self.message = message
        self.is_counted = True
        self._account.add(len(message))

    def take(self) -> bytes:
        """Return it, and keep it no more."""
        message, self.message = self.message, None
        assert message is not None
        self._account.give(len(message))
        return message

    def work_on(self, size: int) -> None:
        """Note that so much more is held for the request until it is answered."""
        self._work += size
        self.is_counted = True
        self._account.add(size)

    def release(self) -> None:
        """Keep nothing any more: the stream is over. Safe to call twice."""
        if self.reader.noted:
            self.reader.discard()
        if self.message is not None:
            self.take()
        if self._work:
            work, self._work = self._work, 0
            self._account.give(work)


class ResponseOptions:
    """What most handlers never set."""

    __slots__ = (
        "callbacks",
        "code",
        "details",
        "initial_metadata",
        "is_aborted",
        "is_uncompressed",
        "last_piece",
        "trailing_metadata",
    )

    def __init__(self) -> None:
        self.code = OK
        self.details = ""
        self.initial_metadata: Metadata = ()
        self.trailing_metadata: Metadata = ()
        self.callbacks: list[Callable[[Any], None]] = []
        self.is_aborted = False
        self.is_uncompressed = False
        #: What an answer that is not gRPC, and has no end of its own, ends with.
        self.last_piece: bytes | None = None


class Call:
    """
    A call and its stream.

    Attributes:
        stream_id: Its stream.
        head: The request's headers.
        deadline: When it is out of time, in monotonic seconds.
        stream_state: How far both sides are.
        handler_state: What its handler is doing.
        bypassed: Bytes of requests that went straight to the handler, not in ``incoming`` yet.
        tick: Its place among the watched deadlines, 0 if it is not there.
        credit: What the peer's window for the stream is above its initial window.
        incoming: What has arrived, unless it all came at once.
        outgoing: What waits to be sent, if anything ever had to.
        coroutine: The handler, if it waits without a task of its own.
        held: The response, if the handler has returned it and it only waits to be sent.
        waiting: The future that the handler, or the held response, waits for.
        task: The task that runs the handler, if it has one.
        response_options: What the handler set besides its answer.
        passing: What is given the requests of a stream as they come, decoded and before that, and
            what resolves when it has refused one; None while the handler reads them.
        request: What its handler was given, of those that wait without a task; or, where many wait
            for long, the message that it was decoded from.
        started: When the request had arrived, in monotonic seconds.
        arrived: The same of a call with streams, and of one with a task.

    """

    held: Any
    request: Any
    started: float
    arrived: float

    __slots__ = (
        "__weakref__",
        "arrived",
        "bypassed",
        "coroutine",
        "credit",
        "deadline",
        "handler_state",
        "head",
        "held",
        "incoming",
        "outgoing",
        "passing",
        "request",
        "response_options",
        "started",
        "stream_id",
        "stream_state",
        "task",
        "tick",
        "waiting",
    )

    def __init__(
        self,
        stream_id: int,
        head: RequestHead,
        deadline: float | None,
        stream_state: StreamState,
    ) -> None:
        self.stream_id = stream_id
        self.head = head
        self.deadline = deadline
        self.stream_state = stream_state
        self.handler_state: HandlerState = _IDLE
        self.tick = self.credit = self.bypassed = 0
        self.incoming: Incoming | None = None
        self.outgoing: Outgoing | None = None
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.waiting: Future[Any] | None = None
        self.task: Task[None] | None = None
        self.response_options: ResponseOptions | None = None
        self.passing: Passing | None = None

    # What has arrived.

    def expect(self, limit: int, account: Account = UNCOUNTED) -> Incoming:
        """Return what has arrived, after making room for it if nothing had; see Incoming."""
        if self.incoming is None:
            self.incoming = Incoming(limit, is_gzip=self.head.is_gzip, account=account)
        return self.incoming

    def receive(self, payload: bytes, size: int) -> Arrived:
        """
        Take the payload of a DATA frame, after :meth:`expect`.

        Args:
            payload: Its data.
            size: What it counts for in flow control: padding, too.

        Raises:
            StreamFault: The data exceed the window, or the length that was announced.
            ProtocolStatus: The request cannot be accepted.

        """
        incoming = self.incoming
        assert incoming is not None
        if self.bypassed:
            self.account()
        if not incoming.window.take(size):
            raise StreamFault(frames.FLOW_CONTROL_ERROR)  # RFC 9113 6.9.1
        incoming.received += len(payload)
        if 0 <= self.head.content_length < incoming.received:
            raise StreamFault(frames.PROTOCOL_ERROR)  # RFC 9113 8.1.1
        if incoming.is_settled or self.stream_state >= _ENDING:
            # Dropped, so it needs no room; without a grant the client could not come to its end.
            self._consumed(incoming, size)
            return _NOTHING
        if self.head.http_fields is not None and self.handler_state is not _RUNNING:
            # Granted at once: what is kept is bounded by ``limit``, not by the window.
            self._consumed(incoming, size)
            incoming.reader.feed(payload)
            incoming.is_settled = incoming.reader.buffered > incoming.limit
            return _NOTHING
        # RFC 9113 6.1: padding takes window, too, but no handler will read it.
        self._consumed(incoming, size - len(payload))
        incoming.reader.feed(payload)
        if self.handler_state is _RUNNING:
            return _MORE
        return self._look_for_request(incoming)

    def half_close(self) -> Arrived:
        """
        Note that the client has sent all.

        Raises:
            StreamFault: The data are less than was announced.
            ProtocolStatus: The data are no complete request.

        """
        self.stream_state = move_stream(self.stream_state, _RECV_END)
        incoming = self.incoming
        received = 0 if incoming is None else incoming.received
        if self.head.content_length not in (-1, received):
            raise StreamFault(frames.PROTOCOL_ERROR)  # RFC 9113 8.1.1
        if self.is_answered:
            return _NOTHING
        if self.handler_state is _RUNNING:
            return _MORE
        if self.head.http_fields is not None:
            return _REQUEST
        if incoming is not None and incoming.is_settled:
            return _NOTHING
        # grpc-go's words: a prefix that is cut short is EOF, too, a body is not.
        is_cut = incoming is not None and incoming.reader.missing
        raise ProtocolStatus(UNKNOWN, "unexpected EOF" if is_cut else "EOF")

    def next_message(self) -> bytes | None:
        """
        Return the next message of a request stream, or None if there is none at present.

        Raises:
            ProtocolStatus: The message cannot be accepted, or the stream ended within it.

        """
        incoming = self.incoming
        if incoming is None:
            return None
        before = incoming.reader.buffered
        try:
            message = incoming.reader.next()
        except ProtocolStatus:
            incoming.is_settled = True
            self._consumed(incoming, incoming.reader.discard())
            raise
        if message is not None:
            self._consumed(incoming, before - incoming.reader.buffered)
        elif not self.stream_state & 1:
            self._lend(incoming)
        elif incoming.reader.missing:
            raise ProtocolStatus(INTERNAL, "unexpected EOF")
        return message

    def take_request(self) -> bytes:
        """
        Return the message of a unary request that is complete.

        Raises:
            ProtocolStatus: It is compressed, and cannot be inflated, or is too large then. Until it
                was its turn it was kept as it had come, which may be a thousandth of that.

        """
        incoming = self.incoming
        assert incoming is not None
        message = incoming.take()
        return decompress(message, incoming.limit) if incoming.is_compressed else message

    def take_body(self) -> bytes | None:
        """Return the body of a request that is not gRPC, None if it was too long."""
        if self.incoming is None:
            return b""
        return None if self.incoming.is_settled else self.incoming.reader.take_all()

    def take_piece(self) -> bytes:
        """Return what is there of a body whose handler takes it as it comes, ``b""`` if nothing."""
        assert self.incoming is not None
        piece = self.incoming.reader.take_all()
        self._consumed(self.incoming, len(piece))
        return piece

    def take_grant(self) -> int:
        """Return the bytes that the client may send now in addition, mostly 0."""
        incoming = self.incoming
        if incoming is None:
            return 0
        granted, incoming.granted = incoming.granted, 0
        return granted

    def account(self) -> None:
        """Count the bytes of ``bypassed`` towards the window, after :meth:`expect`."""
        incoming = self.incoming
        assert incoming is not None
        size, self.bypassed = self.bypassed, 0
        # It has room for them: they are counted before they are half of it.
        incoming.window.take(size)
        self._consumed(incoming, size)

    @property
    def buffered(self) -> int:
        """The bytes of the request that wait to be read."""
        return self.incoming.reader.buffered if self.incoming is not None else 0

    @property
    def keeps_much(self) -> bool:
        """Whether so much of the request waits that an account knows of it."""
        return self.incoming is not None and self.incoming.held > 0

    def _look_for_request(self, incoming: Incoming) -> Arrived:
        """Find out whether the message of a unary call is complete, and drop what follows it."""
        try:
            message, incoming.is_compressed = incoming.reader.next_as_sent()
        except ProtocolStatus:
            incoming.is_settled = True
            incoming.reader.discard()
            raise
        if message is None:
            # Larger than the window, it could neither arrive nor be read, which earns a grant.
            self._lend(incoming)
            return _NOTHING
        incoming.keep(message)
        # grpc-go, too, ignores what follows the one message of a unary request.
        incoming.is_settled = True
        incoming.reader.discard()
        return _REQUEST

    def _lend(self, incoming: Incoming) -> None:
        incoming.granted += incoming.window.lend(incoming.reader.missing)

    def _consumed(self, incoming: Incoming, size: int) -> None:
        grant = incoming.window.consumed(size)
        # RFC 9113 6.9: a WINDOW_UPDATE is of no use to a client that sends no more.
        if grant and not self.stream_state & 1:
            incoming.granted += grant

    # How far it is.

    @property
    def is_answered(self) -> bool:
        """Whether the outcome is decided: nothing the handler does matters any more."""
        return self.stream_state >= _ENDING

    @property
    def lacks_request(self) -> bool:
        """Whether the first message is not here yet."""
        if self.stream_state & 1 or self.is_answered:  # ended by the client, or by us
            return False
        incoming = self.incoming
        if self.head.route is not None and self.head.route.request_streaming:
            return not self.bypassed and (incoming is None or not incoming.received)
        return self.handler_state is _IDLE and (incoming is None or not incoming.is_settled)

    @property
    def is_closed(self) -> bool:
        """Whether our side of the stream, and so all of it, is ended."""
        return self.stream_state is _CLOSED

    @property
    def is_endless(self) -> bool:
        """Whether it ends only if one of both sides wants it to."""
        if self.head.route is not None:
            return self.head.route.endless
        return self.response_options is not None and self.response_options.last_piece is not None

    # What the handler set, or else the usual.

    def make_options(self) -> ResponseOptions:
        """Return what the handler may set."""
        if self.response_options is None:
            self.response_options = ResponseOptions()
        return self.response_options

    def initial_metadata(self) -> Metadata:
        """Return what goes with the response headers."""
        return self.response_options.initial_metadata if self.response_options is not None else ()

    def trailing_metadata(self) -> Metadata:
        """Return what goes with the status."""
        return self.response_options.trailing_metadata if self.response_options is not None else ()

    @property
    def compresses(self) -> bool:
        """Whether its responses are compressed."""
        return self.head.is_gzip and not (
            self.response_options is not None and self.response_options.is_uncompressed
        )

    def encode(self, body: bytes | Pieces) -> tuple[bytes, bytes | Pieces]:
        """Return the prefix and body of a response message."""
        return compress(body) if self.compresses else (PREFIX.pack(0, len(body)), body)
