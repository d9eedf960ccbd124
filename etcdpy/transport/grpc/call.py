"""One call: the stream it travels on, and its request as it arrives."""

from __future__ import annotations

from asyncio import Future, Task, get_running_loop
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from etcdpy.transport.grpc.messages import PREFIX, MessageReader, compress
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.status import INTERNAL, NUMBER_OF, OK, UNKNOWN, Metadata, ProtocolStatus
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.flow import ReceiveWindow
from etcdpy.transport.limits import INITIAL_STREAM_WINDOW

if TYPE_CHECKING:
    from etcdpy.transport.grpc.connection import Connection
    from etcdpy.transport.grpc.sender import Outgoing


class Incoming:
    """
    What has arrived of a request.

    Attributes:
        reader: Cuts it into messages.
        window: What may still come.
        received: The bytes of DATA so far, padding apart.
        message: The one message of a unary request, once it is complete.
        is_settled: Whether the request is complete or hopeless: more bytes mean nothing.
        waiters: Readers to wake when something arrives.

    """

    __slots__ = ("is_settled", "message", "reader", "received", "waiters", "window")

    def __init__(self, reader: MessageReader) -> None:
        self.reader = reader
        self.window = ReceiveWindow(INITIAL_STREAM_WINDOW)
        self.received = 0
        self.message: bytes | None = None
        self.is_settled = False
        self.waiters: list[Future[None]] = []

    def wake(self) -> None:
        """Let readers look again."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class ResponseOptions:
    """What most handlers never set."""

    __slots__ = (
        "callbacks",
        "code",
        "details",
        "initial_metadata",
        "is_aborted",
        "is_uncompressed",
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


class Call:
    """
    A call and its stream.

    Attributes:
        connection: Where it came from.
        stream_id: Its stream.
        head: The request's headers.
        deadline: When it is out of time, in monotonic seconds.
        bypassed: Bytes of requests that went straight to the handler, not in ``incoming`` yet.
        tick: Its place among the watched deadlines, 0 if it is not there.
        credit: What the peer's window for the stream is above its initial window.
        remote_closed: The client has ended its side.
        is_opened: Our response headers were sent.
        is_answered: The outcome is decided: nothing the handler does matters any more.
        is_closed: Our side of the stream is ended.
        is_running: A handler runs, or waits.
        is_orphan: The stream has gone before the handler has.
        incoming: What has arrived, unless it all came at once.
        outgoing: What waits to be sent, if anything ever had to.
        coroutine: The handler, if it waits without a task of its own.
        held: The response, if nothing else waits.
        waiting: The future it waits for.
        task: The task it has.
        extra: What it set besides its answer.
        request: What its handler was given, of those that wait without a task.
        started: When that had arrived, in monotonic seconds.

    """

    held: Any
    request: Any
    started: float

    __slots__ = (
        "__weakref__",
        "bypassed",
        "connection",
        "coroutine",
        "credit",
        "deadline",
        "head",
        "held",
        "incoming",
        "is_answered",
        "is_closed",
        "is_opened",
        "is_orphan",
        "is_running",
        "outgoing",
        "remote_closed",
        "request",
        "response_options",
        "started",
        "stream_id",
        "task",
        "tick",
        "waiting",
    )

    def __init__(
        self,
        connection: Connection,
        stream_id: int,
        head: RequestHead,
        deadline: float | None,
        remote_closed: bool,
    ) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.head = head
        self.deadline = deadline
        self.remote_closed = remote_closed
        self.is_opened = self.is_answered = self.is_closed = False
        self.is_running = self.is_orphan = False
        self.tick = self.credit = self.bypassed = 0
        self.incoming: Incoming | None = None
        self.outgoing: Outgoing | None = None
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.waiting: Future[Any] | None = None
        self.task: Task[None] | None = None
        self.response_options: ResponseOptions | None = None

    def receive(self, payload: bytes, size: int) -> None:
        """
        Take a DATA frame.

        Args:
            payload: Its data.
            size: What it counts for in flow control: padding, too.

        """
        incoming = self._incoming()
        if self.bypassed:
            self.account()
        if not incoming.window.take(size):
            self.connection.fault(self, frames.FLOW_CONTROL_ERROR)
            return
        incoming.received += len(payload)
        if 0 <= self.head.content_length < incoming.received:
            self.connection.fault(self, frames.PROTOCOL_ERROR)
        elif incoming.is_settled or self.is_answered:
            self._consumed(incoming, size)
        elif self.head.http_fields is not None:
            self._consumed(incoming, size)
            incoming.reader.feed(payload)
            limit = self.connection.options.max_http_body
            incoming.is_settled = incoming.reader.buffered > limit
        else:
            self._consumed(incoming, size - len(payload))
            incoming.reader.feed(payload)
            if not self.is_running:
                self._look_for_request(incoming)
            else:
                self._arrived(incoming)

    def half_close(self) -> None:
        """Note that the client has sent all."""
        self.remote_closed = True
        incoming = self._incoming()
        if self.head.content_length not in (-1, incoming.received):
            self.connection.fault(self, frames.PROTOCOL_ERROR)
        elif self.head.http_fields is not None:
            self.connection.complete.append(self)
        elif self.is_running:
            self._arrived(incoming)
        elif not incoming.is_settled:
            incoming.is_settled = True
            text = "unexpected EOF" if incoming.reader.missing else "EOF"
            self._reject(UNKNOWN, text)

    def next_message(self) -> bytes | None:
        """
        Return the next message of a request stream, or None if there is none at present.

        Raises:
            ProtocolStatus: It cannot be accepted, or the stream ended within it.

        """
        incoming = self._incoming()
        before = incoming.reader.buffered
        try:
            message = incoming.reader.next()
        except ProtocolStatus:
            incoming.is_settled = True
            self._consumed(incoming, incoming.reader.discard())
            raise
        if message is not None:
            self._consumed(incoming, before - incoming.reader.buffered)
        elif not self.remote_closed:
            self._lend(incoming)
        elif incoming.reader.missing:
            raise ProtocolStatus(INTERNAL, "unexpected EOF")
        return message

    def account(self) -> None:
        """Count the bytes of ``bypassed`` towards the window."""
        incoming = self._incoming()
        size, self.bypassed = self.bypassed, 0
        # It has room for them: they are counted before they are half of it.
        incoming.window.take(size)
        self._consumed(incoming, size)

    def take_body(self) -> bytes | None:
        """Return the body of a request that is not gRPC, None if it was too long."""
        incoming = self._incoming()
        return None if incoming.is_settled else incoming.reader.take_all()

    @property
    def buffered(self) -> int:
        """The bytes of the request that wait to be read."""
        return self.incoming.reader.buffered if self.incoming is not None else 0

    def _incoming(self) -> Incoming:
        if self.incoming is None:
            limit = self.connection.options.max_receive_message
            self.incoming = Incoming(MessageReader(limit, is_gzip=self.head.is_gzip))
        return self.incoming

    def _arrived(self, incoming: Incoming) -> None:
        """Have the handler of a stream look at it again."""
        assert self.head.route is not None
        if self.head.route.one_reply_per_request:
            self.connection.call_handler.answer_arrived(self)
        else:
            incoming.wake()

    def _look_for_request(self, incoming: Incoming) -> None:
        """Start a unary call once its message is complete, and drop what follows it."""
        try:
            incoming.message = incoming.reader.next()
        except ProtocolStatus as error:
            incoming.is_settled = True
            incoming.reader.discard()
            self._reject(NUMBER_OF[error.code], error.details)
            return
        if incoming.message is None:
            self._lend(incoming)
            return
        incoming.is_settled = True
        incoming.reader.discard()
        self.connection.complete.append(self)

    def _reject(self, number: int, details: str) -> None:
        """Answer a request that no handler will see."""
        self.connection.sender.status(self, number, details)
        self.connection.call_handler.cancel(self)

    def _lend(self, incoming: Incoming) -> None:
        self.connection.sender.grant(self.stream_id, incoming.window.lend(incoming.reader.missing))

    def _consumed(self, incoming: Incoming, size: int) -> None:
        grant = incoming.window.consumed(size)
        if grant and not (self.remote_closed or self.is_closed):
            self.connection.sender.grant(self.stream_id, grant)

    async def room(self) -> None:
        """Wait until the stream may queue more output. Cancelling it is harmless."""
        while not self.connection.sender.has_room(self):
            assert self.outgoing is not None
            waiter = get_running_loop().create_future()
            self.outgoing.waiters.append(waiter)
            await waiter

    # What the handler set, or else the usual.

    def settings(self) -> ResponseOptions:
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

    def encode(self, body: bytes) -> tuple[bytes, bytes]:
        """Return the prefix and body of a response message."""
        if not self.head.is_gzip or (
            self.response_options is not None and self.response_options.is_uncompressed
        ):
            return PREFIX.pack(0, len(body)), body
        return compress(body)
