"""What a handler sees of its call: the parts of ``grpc.aio.ServicerContext`` servicers use."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from etcdpy.transport.grpc.call import Call, Incoming, Takers
from etcdpy.transport.grpc.channel import Channel
from etcdpy.transport.grpc.deflating import deflated, deflated_for_all
from etcdpy.transport.grpc.messages import JoinedMessages, is_long
from etcdpy.transport.grpc.metadata import Metadatum
from etcdpy.transport.grpc.states import HandlerState, StreamState
from etcdpy.transport.grpc.status import (
    CODE_OF,
    INTERNAL,
    OK,
    Metadata,
    ProtocolStatus,
    StatusCode,
    StatusError,
    status_code,
)

if TYPE_CHECKING:  # grpcio takes as long to import as all of the transport
    import grpc

# Constants of this module are found faster than members of an enum.
_RESPONDING: Final = StreamState.OPEN_RESPONDING
_ENDING: Final = StreamState.OPEN_ENDING

#: ``grpc.Compression.Gzip``.
_GZIP: Final = 2

EOF: Final[object] = object()
"""What :meth:`Context.read` returns after the last request."""

PASSED_PER_TURN: Final = 128
"""Requests of one stream passed on between two of its turns, for about a millisecond: thousands may
have come, on as many streams."""

PASSED_BYTES_PER_TURN: Final = 64 << 10
"""The same in bytes of requests, inflated: ten megabytes may have come in ten kilobytes."""


def unreadable() -> ProtocolStatus:
    """Return the status for a request that is not the message it should be."""
    # grpc-go's words; the space after the colon does not break.
    reason = "proto:\u00a0cannot parse invalid wire-format data"
    return ProtocolStatus(INTERNAL, f"grpc: error unmarshalling request: {reason}")


class Context(Call):
    """
    A call, as its handler sees it. One object for both: a call has no time for a second.

    All methods must be called on the loop's thread. After the call has ended, setters are
    harmless and :meth:`write` raises. A subclass may be given to a server as its ``call_type``,
    so that a call carries what its services know of the caller; its ``__init__`` is this one.

    Attributes:
        channel: The way back to the client. Set by the connection that makes the call.

    """

    channel: Channel

    __slots__ = ("channel",)

    # About the request.

    def invocation_metadata(self) -> tuple[Metadatum, ...]:
        """Return the client's custom metadata, in the order in which it was sent."""
        return self.head.metadata

    def peer(self) -> str:
        """Return the client's address, such as ``ipv4:10.0.0.1:5000``."""
        return self.channel.peer

    def time_remaining(self) -> float | None:
        """Return the seconds to the deadline, at least 0, or None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - self.channel.clock.monotonic())

    async def eased(self) -> bool:
        """
        Wait while so much waits to be sent to the client that nothing long should be made.

        Returns:
            Whether it did; then somebody else may have been faster.

        """
        sender = self.channel.sender
        if not sender.is_crowded:
            return False
        waiter = get_running_loop().create_future()
        sender.eased.append(waiter)
        await waiter
        return True

    @property
    def takes_long_replies(self) -> bool:
        """Whether a ``LongReply`` may be returned."""
        return self.head.route is not None and self.head.route.inline

    async def read(self) -> Any:
        """
        Return the next request of a stream, or ``EOF`` after the last.

        Cancelling it loses nothing.

        Raises:
            StatusError: The stream is broken; a handler that does not catch this ends the call
                with the right status.

        """
        incoming = self.incoming
        if incoming is None:
            return EOF  # what has one request is given it
        while not incoming.reader.buffered or (message := self.take_message()) is None:
            if self.stream_state & 1:  # ended by the client
                return EOF
            waiter = get_running_loop().create_future()
            incoming.waiters.append(waiter)
            self.channel.touch()
            await waiter
        self.channel.touch()
        return self.deserialize_next(message)

    async def pass_on(
        self, take: Callable[[Any], bool], take_encoded: Callable[[bytes], bool] | None = None
    ) -> Any:
        """
        Give the requests of a stream to a function, each as it comes, until that refuses one.

        A stream whose requests come one by one does not wake its handler for them, which would
        cost as much again as most of them do.

        Args:
            take: Does what a request asks at once, and returns whether it has. What it raises is
                raised here.
            take_encoded: The same of a request as it came, asked first: most requests of a kind may
                be told, and done, without decoding them. It raises nothing.

        Returns:
            The request that it has refused, or ``EOF`` after the last.

        Raises:
            StatusError: As :meth:`read` has it.

        """
        incoming = self.incoming
        if incoming is None:
            return EOF  # what has one request is given it
        taken = size = 0
        while True:
            while not incoming.reader.buffered or (message := self.take_message()) is None:
                if self.stream_state & 1:  # ended by the client
                    return EOF
                request = await self._wait_passing(incoming, (take, take_encoded))
                if request is not None:
                    return request
            self.channel.touch()
            taken += 1
            size += len(message)
            if take_encoded is not None and take_encoded(message):
                self._count_read(len(message))
                is_taken = True
            else:
                request = self.deserialize_next(message)
                is_taken = take(request)
            if taken >= PASSED_PER_TURN or size >= PASSED_BYTES_PER_TURN:
                await self.channel.turnstile.turn()
                taken = size = 0
            if not is_taken:
                return request

    async def _wait_passing(self, incoming: Incoming, takers: Takers) -> Any:
        """Wait for a request that has to be read, and return None, or one that was refused."""
        waiter = get_running_loop().create_future()
        incoming.waiters.append(waiter)
        self.passing = takers[0], takers[1], waiter
        self.channel.expect(self)
        self.channel.touch()
        try:
            return await waiter
        finally:
            self.channel.expect_no_more(self)
            self.passing = None
            if waiter in incoming.waiters:
                incoming.waiters.remove(waiter)

    def take_message(self) -> bytes | None:
        """
        Return the next message of a stream, None if there is none, and let the client send on.

        Raises:
            ProtocolStatus: As :meth:`.Call.next_message` has it.

        """
        message = self.next_message()
        if self.incoming is not None and self.incoming.granted:
            self.channel.sender.grant(self.stream_id, self.take_grant())
        return message

    def deserialize(self, message: bytes) -> Any:
        """
        Return the request in a message.

        Raises:
            ProtocolStatus: The message cannot be deserialized.

        """
        assert self.head.route is not None
        try:
            return self.head.route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            raise unreadable() from None

    def deserialize_next(self, message: bytes) -> Any:
        """Return the next request of a stream, as ``deserialize`` does, and count it."""
        self._count_read(len(message))
        return self.deserialize(message)

    def _count_read(self, size: int) -> None:
        tally = self.head.tally
        tally.read += 1
        tally.received += size

    # About the response.

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """
        Send the response headers now.

        Raises:
            ValueError: They cannot be sent.
            RuntimeError: They have been.

        """
        if self.stream_state >= _RESPONDING:
            raise RuntimeError("the response headers have been sent")
        self.make_options().initial_metadata = initial_metadata
        self.channel.sender.open(self, initial_metadata)
        self.channel.touch()

    async def write(self, message: Any) -> None:
        """
        Send one response of a stream.

        Returns once it is queued, after waiting while too much is. Cancelling it while it
        waits means that it is not sent.

        Raises:
            RuntimeError: The call has ended.

        """
        assert self.head.route is not None
        if not self.channel.sender.has_room(self):
            await self.room()
        if self.stream_state >= _ENDING:
            raise RuntimeError("the call has ended")
        body = self.head.route.serialize(message)
        if self.head.is_gzip and is_long(body) and self.compresses:
            self._send_deflated(*await deflated(body))
        else:
            self.channel.sender.message(self, *self.encode(body))
            self.channel.touch()

    def _send_deflated(self, prefix: bytes, body: bytes) -> None:
        if self.stream_state >= _ENDING:
            raise RuntimeError("the call has ended")
        self.channel.sender.message(self, prefix, body)
        self.channel.touch()

    async def write_parts(self, start: bytes, body: bytes) -> None:
        """Do what ``write`` does with a response in two parts that is encoded already."""
        await self.room()
        if self.head.is_gzip and is_long(body) and self.compresses:
            self._send_deflated(*await deflated_for_all(start, body))
        elif not self.try_write(start, body):
            raise RuntimeError("the call has ended")

    async def room(self) -> None:
        """Wait until the stream may queue more output. Cancelling it is harmless."""
        while not self.channel.sender.has_room(self):
            assert self.outgoing is not None
            waiter = get_running_loop().create_future()
            self.outgoing.waiters.append(waiter)
            await waiter

    def try_write(self, start: bytes, body: bytes) -> bool:
        """
        Send one response of a stream, given in two parts and encoded already, if it can go now.

        Returns:
            False if it would have to wait for room, or the call has ended: nothing was sent.

        """
        sender = self.channel.sender
        # Whoever put out what is there already has seen to it that it will be written.
        is_first = not sender.out
        is_sent = sender.try_message(self, start, body)
        if is_first and sender.out:
            self.channel.touch()
        return is_sent

    def try_write_joined(self, joined: JoinedMessages) -> bool:
        """
        Send some responses, encoded already, if all of them can go now.

        Returns:
            False if it cannot, or is compressed on this call: nothing was sent.

        """
        sender = self.channel.sender
        is_first = not sender.out
        is_sent = sender.try_joined(self, joined)
        if is_first and is_sent:
            self.channel.touch()
        return is_sent

    def flush(self) -> None:
        """Have what was sent written now, and not only at the end of the loop's turn."""
        self.channel.flush()

    async def abort(
        self,
        code: StatusCode | grpc.StatusCode,
        details: str = "",
        trailing_metadata: Metadata = (),
    ) -> NoReturn:
        """
        End the call with a status, which stays even if the exception is caught.

        Raises:
            StatusError: Always.

        """
        code = status_code(code)
        if code is StatusCode.OK:
            code, details = StatusCode.UNKNOWN, "abort() called with status code OK"
        options = self.make_options()
        options.code = code.value
        options.details = details
        options.trailing_metadata = trailing_metadata or options.trailing_metadata
        options.is_aborted = True
        raise StatusError(code, details, options.trailing_metadata)

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """
        End the call with a status object.

        Raises:
            StatusError: Always.

        """
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def set_code(self, code: StatusCode | grpc.StatusCode) -> None:
        """Choose the code that the call ends with."""
        self.make_options().code = status_code(code).value

    def set_details(self, details: str) -> None:
        """Choose the details that go with the code."""
        self.make_options().details = details

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        """Choose what goes with the status."""
        self.make_options().trailing_metadata = trailing_metadata

    def code(self) -> StatusCode:
        """Return the code that was set, or OK."""
        return CODE_OF[OK if self.response_options is None else self.response_options.code]

    def details(self) -> str:
        """Return the details that were set, or none."""
        return "" if self.response_options is None else self.response_options.details

    def set_compression(self, compression: grpc.Compression) -> None:
        """Choose whether to compress, before the response headers; only requests in gzip get it."""
        self.make_options().is_uncompressed = compression != _GZIP

    def disable_next_message_compression(self) -> None:
        """Do not compress the next message, nor, other than in grpcio, any after it."""
        self.make_options().is_uncompressed = True

    # About the end.

    def done(self) -> bool:
        """Return whether the call has ended."""
        return self.is_answered

    def cancelled(self) -> bool:
        """Return whether the call ended before its handler did."""
        return self.handler_state >= HandlerState.ORPHANED

    def add_done_callback(self, callback: Callable[[Context], None]) -> None:
        """Have ``callback`` called with this context once the handler has ended."""
        self.make_options().callbacks.append(callback)


class RequestIterator:
    """The requests of a stream, for ``async for``."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def __aiter__(self) -> RequestIterator:
        return self

    async def __anext__(self) -> Any:
        request = await self._context.read()
        if request is EOF:
            raise StopAsyncIteration
        return request
