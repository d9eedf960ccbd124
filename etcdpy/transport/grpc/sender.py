"""
The sending half of a connection: what to send, in which order, and when there is window for it.

DATA waits for the window of its stream and of the connection (RFC 9113 5.2); HEADERS do not, but
trailers follow the data of their stream. Streams that have data and window take turns of one
frame; those that have no more than that go first, so that an event or a small reply does not stand
behind long ones. For the same reason what waits is cut into frames only when it is about to be
written. One DATA frame never holds parts of two messages: some clients read but one message of a
frame. And a message's prefix shares a frame with its body: tiny frames look like an attack.
"""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final, Protocol

from etcdpy.cooperative import Pieces
from etcdpy.memory import Account
from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.messages import PREFIX, PREFIX_SIZE, JoinedMessages
from etcdpy.transport.grpc.outgoing import Outgoing, wake_all
from etcdpy.transport.grpc.response_head import (
    TRAILERS_FLAGS,
    TRAILERS_OK,
    TRAILERS_OK_WORD,
    metadata_fields,
    pack_trailers,
    status_block,
)
from etcdpy.transport.grpc.stalls import Stalls
from etcdpy.transport.grpc.states import StreamInput, StreamState, move_stream
from etcdpy.transport.grpc.status import OK, Metadata
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import DATA, END_HEADERS, END_STREAM, FRAME_HEAD, MAX_FRAME_SIZE
from etcdpy.transport.http2.hpack import EMPTY_TABLE
from etcdpy.transport.http2.keepalive import PingPolicy
from etcdpy.transport.limits import (
    CONNECTION_SEND_QUEUE,
    PRESSED_STREAM_SECONDS,
    REMEMBERED_STREAMS,
    SEND_QUEUE,
    STALLED_STREAM_SECONDS,
    UNWRITTEN,
)

# Constants of this module are found faster than members of an enum.
_OPEN: Final = StreamState.OPEN
_HALF_CLOSED: Final = StreamState.HALF_CLOSED
_RESPONDING: Final = StreamState.OPEN_RESPONDING
_HALF_RESPONDING: Final = StreamState.HALF_RESPONDING
_ENDING: Final = StreamState.OPEN_ENDING
_CLOSED: Final = StreamState.CLOSED
_SEND_HEADERS: Final = StreamInput.SEND_HEADERS
_QUEUE_END: Final = StreamInput.QUEUE_END
_SEND_END: Final = StreamInput.SEND_END
_SEND_RESET: Final = StreamInput.SEND_RESET

_MESSAGE_HEAD: Final = Struct(">IBIBI")
"""A DATA frame's head and the prefix of the one message in it."""


class OpenStreams(Protocol):
    """The connection's open streams by their numbers, shared with the receiving half."""

    def pop(self, stream_id: int, default: None, /) -> object:
        """Remove one, if it is there."""

    def values(self) -> Iterable[Call]:
        """Return all."""


class Sender:
    """
    Collects the bytes to send; whoever drives the connection calls :meth:`take` for them.

    Attributes:
        out: The bytes, in order.
        acks: Acknowledgements of PINGs, which may wait a little to be written with something else.
        streams: The connection's open streams.
        window: What the peer lets us send on the connection.
        initial_window: What it lets us send on a new stream.
        max_list: The largest header list it wants, if it said so.
        data_frames: DATA frames sent, but for those of direct replies.
        is_clear: Whether nothing waits, and nothing special is to be said.
        is_congested: Whether so much waits on all streams that no more should be begun.
        ended_by_us: Streams ended before the peer had ended them, the latest of them.
        queued: The bytes waiting on all streams.
        owed: Those of long replies that are not made yet.
        eased: Those to wake when ``is_congested`` ends.
        account: What waits here, and the replies that are being made, are put to it; while it is
            over its share ``is_congested``.

    """

    __slots__ = (
        "_blocked",
        "_floor",
        "_is_over",
        "_is_paused",
        "_long",
        "_max_credit",
        "_on_room",
        "_owed",
        "_policy",
        "_short",
        "_size_update_due",
        "_stalls",
        "account",
        "acks",
        "data_frames",
        "eased",
        "ended_by_us",
        "initial_window",
        "is_clear",
        "is_congested",
        "max_list",
        "out",
        "owed",
        "queued",
        "streams",
        "window",
    )

    def __init__(self, streams: OpenStreams, policy: PingPolicy) -> None:
        self.out: list[bytes] = []
        self.acks: list[bytes] = []
        self.streams = streams
        self.window = frames.DEFAULT_WINDOW
        self.initial_window = frames.DEFAULT_WINDOW
        self.max_list: int | None = None
        self.data_frames = 0
        self.ended_by_us: dict[int, None] = {}
        self.queued = self.owed = 0
        self.is_congested = False
        self.eased: list[Future[None]] = []
        self.account = Account()
        self._on_room: Callable[[], None] | None = None
        self._is_over = False
        self._policy = policy
        self._stalls = Stalls()
        # Streams that take turns: those whose data fits a frame, and the others.
        self._short: deque[Call] = deque()
        self._long: deque[Call] = deque()
        # Bytes of short streams that went before long ones, which are due as many.
        self._owed = 0
        # Streams whose data waits for a window of their own.
        self._blocked: set[Call] = set()
        # No stream's credit is above this.
        self._max_credit = 0
        # DATA is sent only down to this connection window before it is written.
        self._floor = self.window - UNWRITTEN
        self._is_paused = False
        self._size_update_due = False
        self.is_clear = True

    def reply(self, call: Call, body: bytes | Pieces) -> None:
        """Answer a unary call with its one message and success."""
        length = len(body)
        size = length + PREFIX_SIZE
        # Fast path (bench: range/100x1, put/100x1): nothing waits, nothing special is to be said,
        # and it fits. A third of the cost of the general path below.
        if (
            self.is_clear
            and self._floor <= self.window - size >= 0
            and size <= self.initial_window + call.credit
            and size <= MAX_FRAME_SIZE
            # If the client has not ended, a RST_STREAM has to follow (RFC 9113 8.1).
            and call.stream_state is _HALF_CLOSED
            and call.response_options is None
            and not call.head.is_gzip
        ):
            self.window -= size
            self._policy.sent = True
            tally = call.head.tally
            tally.written += 1
            tally.sent += length
            # HALF_CLOSED, then SEND_HEADERS and SEND_END.
            call.stream_state = _CLOSED
            stream_id = call.stream_id
            response = call.head.response
            self.out += (
                response.pack(
                    response.word,
                    END_HEADERS,
                    stream_id,
                    response.block,
                    size << 8,
                    0,
                    stream_id,
                    0,
                    length,
                ),
                body,  # type: ignore[arg-type]  # pieces are more than a frame
                pack_trailers(TRAILERS_OK_WORD, TRAILERS_FLAGS, stream_id, TRAILERS_OK),
            )
            self.streams.pop(stream_id, None)
            return
        self.encoded_reply(call, *call.encode(body))

    def encoded_reply(self, call: Call, prefix: bytes, body: bytes | Pieces) -> None:
        """Do what ``reply`` does with a message that has its prefix already."""
        self.message(call, prefix, body)
        details = call.response_options.details if call.response_options is not None else ""
        self.status(call, OK, details, call.trailing_metadata())

    def open(self, call: Call, metadata: Metadata = ()) -> None:
        """Send the response headers."""
        block = call.head.response.block + metadata_fields(metadata)
        self.open_with(call, block)

    def open_with(self, call: Call, block: bytes) -> None:
        """Send response headers that are encoded already."""
        call.stream_state = move_stream(call.stream_state, _SEND_HEADERS)
        self.headers(call.stream_id, block)

    def headers(self, stream_id: int, block: bytes, *, end_stream: bool = False) -> None:
        """Send a header block; every block goes through here or :meth:`reply`."""
        if self._size_update_due:
            self._size_update_due = False
            self._update_clear()
            # RFC 7541 4.2: at the beginning of the first block after the change.
            block = EMPTY_TABLE + block
        self._policy.sent = True
        self.out.append(frames.headers(stream_id, block, end_stream=end_stream))

    def message(self, call: Call, prefix: bytes, body: bytes | Pieces) -> None:
        """Send or queue one message, after the response headers if they are due."""
        if call.stream_state >= _ENDING:
            return
        if call.stream_state < _RESPONDING:
            self.open(call, call.initial_metadata())
        tally = call.head.tally
        tally.written += 1
        tally.sent += len(prefix) + len(body) - PREFIX_SIZE
        self.data(call, prefix, body)

    def begin(self, call: Call, size: int, first: bytes) -> None:
        """Send or queue the first part of a message of ``size`` bytes, after the headers."""
        if call.stream_state >= _ENDING:
            return
        outgoing = call.outgoing
        if outgoing is None:
            outgoing = call.outgoing = Outgoing()
        owed = outgoing.owed = size - len(first)
        self.owed += owed
        call.head.tally.sent += owed
        self.message(call, PREFIX.pack(0, size), first)

    def go_on(self, call: Call, part: bytes) -> None:
        """Send or queue the next part of a message that has begun."""
        outgoing = call.outgoing
        if call.stream_state >= _ENDING or outgoing is None:
            return
        outgoing.owed -= len(part)
        self.owed -= len(part)
        self.data(call, b"", part)

    def give_up(self, call: Call) -> None:
        """Drop what is queued of a message that cannot go on; reset its stream if some was sent."""
        if call.stream_state >= _ENDING:
            return
        if call.outgoing is not None and call.outgoing.is_mid_message:
            self.reset(call, frames.INTERNAL_ERROR)
        else:
            self.drop(call)

    def try_message(self, call: Call, start: bytes, body: bytes) -> bool:
        """Send or queue one message, given in two parts, unless a producer would have to wait."""
        length = len(start) + len(body)
        size = length + PREFIX_SIZE
        outgoing = call.outgoing
        # Fast path (bench: keepalive/100, watch/1000): as in reply(), half the cost of the
        # general one. A client that asks on and on has not ended its side.
        state = call.stream_state
        if (
            self.is_clear
            and (outgoing is None or not outgoing.queue)
            and self._floor <= self.window - size >= 0
            and size <= self.initial_window + call.credit
            and size <= MAX_FRAME_SIZE
            and (state is _RESPONDING or (state is _OPEN and call.response_options is None))
            and not call.head.is_gzip
        ):
            self.window -= size
            call.credit -= size
            self._policy.sent = True
            self.data_frames += 1
            tally = call.head.tally
            tally.written += 1
            tally.sent += length
            stream_id = call.stream_id
            if state is _OPEN:
                call.stream_state = _RESPONDING  # OPEN, then SEND_HEADERS
                self.out.append(call.head.response.frame(stream_id))
            self.out += (_MESSAGE_HEAD.pack(size << 8, 0, stream_id, 0, length), start, body)
            return True
        if call.stream_state >= _ENDING or not self.has_room(call):
            return False
        if call.head.is_gzip:
            self.message(call, *call.encode(start + body))
        else:
            self.message(call, PREFIX.pack(0, length) + start, body)
        return True

    def try_joined(self, call: Call, joined: JoinedMessages) -> bool:
        """Send messages, if all of them can go now; each has a frame of its own."""
        size = joined.size
        if (
            not _RESPONDING <= call.stream_state < _ENDING
            or call.head.is_gzip
            or not self._is_free(call, size)
        ):
            return False
        self.window -= size
        call.credit -= size
        self._policy.sent = True
        self.data_frames += len(joined.messages)
        tally = call.head.tally
        tally.written += len(joined.messages)
        tally.sent += size - PREFIX_SIZE * len(joined.messages)
        self.out.append(joined.framed(call.stream_id))
        return True

    def _is_free(self, call: Call, size: int) -> bool:
        """Tell whether so many bytes of a stream can go now, in one frame."""
        outgoing = call.outgoing
        # RFC 9113 6.9.1: within both windows; 4.2: within a frame that every peer takes.
        return (
            self.is_clear
            and (outgoing is None or not outgoing.queue)
            and self._floor <= self.window - size >= 0
            and size <= self.initial_window + call.credit
            and size <= MAX_FRAME_SIZE
        )

    def data(self, call: Call, prefix: bytes, body: bytes | Pieces) -> None:
        """Send or queue bytes, at least one, of a stream whose headers were sent."""
        size = len(prefix) + len(body)
        if self._is_free(call, size) and isinstance(body, bytes):
            self.window -= size
            call.credit -= size
            self._policy.sent = True
            self.data_frames += 1
            self.out += (FRAME_HEAD.pack(size << 8, 0, call.stream_id), prefix, body)
            return
        outgoing = call.outgoing
        if outgoing is None:
            outgoing = call.outgoing = Outgoing()
        outgoing.add(prefix, body)
        self._count(size)
        self._make_ready(call, outgoing)

    def succeed(self, call: Call) -> None:
        """End a call with success, after what is queued for it."""
        # Fast path (bench: keepalive/100): as in reply(), a third of the cost of the general one.
        outgoing = call.outgoing
        if (
            self.is_clear
            and call.stream_state is _HALF_RESPONDING
            and (outgoing is None or not outgoing.queue)
            and call.incoming is None
        ):
            self._policy.sent = True
            # HALF_RESPONDING, then SEND_END.
            call.stream_state = _CLOSED
            stream_id = call.stream_id
            self.out.append(pack_trailers(TRAILERS_OK_WORD, TRAILERS_FLAGS, stream_id, TRAILERS_OK))
            self.streams.pop(stream_id, None)
            return
        self.status(call, OK, "")

    def status(
        self,
        call: Call,
        number: int,
        details: str,
        metadata: Metadata = (),
        http_status: int = 200,
    ) -> None:
        """End a call with a status, after what is queued for it."""
        if call.stream_state >= _ENDING:
            return
        if call.outgoing is not None and call.outgoing.owed:
            # Nothing can follow half of a message.
            self.reset(call, frames.CANCEL)
            return
        try:
            block = self._status_block(call, number, details, metadata, http_status)
        except (ValueError, UnicodeError):
            # The handler's metadata cannot be sent: the status is worth more.
            block = self._status_block(call, number, details, (), http_status)
        if block is None:
            self.reset(call, frames.INTERNAL_ERROR)
        else:
            self.end(call, block)

    def _status_block(
        self, call: Call, number: int, details: str, metadata: Metadata, http_status: int
    ) -> bytes | None:
        return status_block(
            number,
            details,
            metadata,
            max_list=self.max_list,
            opened=call.stream_state >= _RESPONDING,
            http_status=http_status,
        )

    def turn_away(self, call: Call, number: int, details: str) -> None:
        """End a call, behind what is queued for it: with a status, or as its handler has chosen."""
        options = call.response_options
        if options is None or options.last_piece is None:
            self.status(call, number, details)
        elif call.stream_state < _ENDING:
            if options.last_piece:
                self.data(call, b"", options.last_piece)
            self.end(call, b"")

    def end(self, call: Call, trailers: bytes) -> None:
        """End a stream from our side: with a block, or b"" for an END_STREAM flag alone."""
        incoming = call.incoming
        # Fast path (bench: keepalive/100): what is small was never counted.
        if incoming is not None and (incoming.is_counted or incoming.reader.noted):
            incoming.release()
        outgoing = call.outgoing
        if outgoing is not None and outgoing.queue:
            # RFC 9113 5.2.1: no window holds them up, but they come after the data.
            outgoing.trailers = trailers
            call.stream_state = move_stream(call.stream_state, _QUEUE_END)
            return
        if trailers:
            self.headers(call.stream_id, trailers, end_stream=True)
        else:
            # RFC 9113 6.9.1: a frame of length 0 may be sent whatever the window.
            self.out.append(frames.frame(DATA, END_STREAM, call.stream_id))
        self._close(call)

    def cut(self, call: Call, number: int, details: str, *, reset: int = frames.CANCEL) -> None:
        """End a call with a status at once, or with ``reset``, dropping what is queued for it."""
        if call.stream_state is _CLOSED:
            return
        outgoing = call.outgoing
        is_mid_message = outgoing is not None and outgoing.is_mid_message
        self.drop(call)
        if is_mid_message or call.stream_state >= _ENDING or call.head.http_fields is not None:
            # The rest of a message is missing: no status could follow it.
            self.reset(call, reset)
        else:
            self.status(call, number, details)

    def reset(self, call: Call, code: int) -> None:
        """End a stream with RST_STREAM (RFC 9113 6.4)."""
        self.drop(call)
        call.stream_state = move_stream(call.stream_state, _SEND_RESET)
        self.out.append(frames.rst_stream(call.stream_id, code))
        self._forget(call)

    def drop(self, call: Call) -> None:
        """Throw away what a stream has queued, or has sent us, and wake its producers."""
        if call.incoming is not None:
            call.incoming.release()
        outgoing = call.outgoing
        if outgoing is None:
            return
        self.owed -= outgoing.owed
        # Only what is sent counts towards the windows, so nothing is owed to the peer for this.
        self._count(-outgoing.size)
        outgoing.clear()
        self._blocked.discard(call)
        outgoing.wake()

    def reset_stalled(self, now: float) -> None:
        """Reset streams whose clients do not let their answers out, about once a second."""
        is_pressing = self.account.is_pressing
        seconds = PRESSED_STREAM_SECONDS if is_pressing else STALLED_STREAM_SECONDS
        for call in self._stalls.find(self.streams.values(), now, seconds):
            self.reset(call, frames.CANCEL)

    def grant(self, stream_id: int, increment: int) -> None:
        """Let the peer send more; 0 stands for the connection."""
        if increment:
            self.out.append(frames.window_update(stream_id, increment))

    def _close(self, call: Call) -> None:
        """Note that our END_STREAM was sent."""
        before = call.stream_state
        call.stream_state = move_stream(before, _SEND_END)
        if before & 1:  # ended by the client
            self.streams.pop(call.stream_id, None)
            return
        # RFC 9113 8.1: ask the peer to stop sending what will not be read.
        self.out.append(frames.rst_stream(call.stream_id, frames.NO_ERROR))
        self._forget(call)

    def _forget(self, call: Call) -> None:
        self.streams.pop(call.stream_id, None)
        self.remember(call.stream_id)

    def remember(self, stream_id: int) -> None:
        """Note a stream that the peer does not know yet to be closed."""
        self.ended_by_us[stream_id] = None
        if len(self.ended_by_us) > REMEMBERED_STREAMS:
            del self.ended_by_us[next(iter(self.ended_by_us))]

    # Room.

    def has_room(self, call: Call) -> bool:
        """Return whether a producer may add to a stream, or must wait."""
        outgoing = call.outgoing
        if outgoing is None or not outgoing.queue:
            return True
        return outgoing.size < SEND_QUEUE and not self.is_congested

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits, or is going to be made, that nothing long should be begun."""
        return self.is_congested or self.queued + self.owed >= CONNECTION_SEND_QUEUE

    def _count(self, size: int) -> None:
        self.queued += size
        if size > 0:
            self.account.add(size)
        else:
            self.account.give(-size)
        self._update_congested()

    def _update_congested(self) -> None:
        self.is_congested = self._is_over or self.queued >= CONNECTION_SEND_QUEUE
        if self.eased and not self.is_crowded:
            wake_all(self.eased)

    def _hold_back(self) -> None:
        """Have nothing begun while the connection holds more than its share of the memory."""
        if not self._is_over:
            self._is_over = self.is_congested = True
            self.account.budget.wait(self.account, self._has_share)

    def _has_share(self) -> None:
        self._is_over = False
        self._update_congested()
        if self._on_room is not None:
            self._on_room()

    def keep_account(self, account: Account, on_room: Callable[[], None]) -> None:
        """
        Put all that is held from now on to an account; nothing is held yet.

        Args:
            account: See above.
            on_room: Called when it is not over its share any more.

        """
        self.account, self._on_room = account, on_room
        account.on_over = self._hold_back

    def close(self) -> None:
        """Hold nothing any more: all calls have ended, and nothing is sent."""
        self._short.clear()
        self._long.clear()
        self._stalls = Stalls()
        self._on_room = None
        self.account.close()

    def stream_window_grew(self, call: Call, increment: int) -> bool:
        """Note a WINDOW_UPDATE; return False if the window is past its limit."""
        call.credit += increment
        self._max_credit = max(self._max_credit, call.credit)
        if self.initial_window + call.credit > frames.MAX_WINDOW:  # RFC 9113 6.9.1
            return False
        if call.outgoing is not None:
            self._make_ready(call, call.outgoing)
        return True

    def connection_window_grew(self, increment: int) -> bool:
        """Note a WINDOW_UPDATE; return False if the window is past its limit."""
        self.window += increment
        # The floor bounds what is made between two writes, however large the window is.
        self._floor += increment
        return self.window <= frames.MAX_WINDOW  # RFC 9113 6.9.1

    def set_initial_window(self, size: int) -> bool:
        """
        Note the setting, which moves the window of every stream, even below 0.

        Return False if it moves one past its limit.
        """
        # RFC 9113 6.9.2: what each stream has above it stays, so this moves all their windows.
        self.initial_window = size
        if size + self._max_credit > frames.MAX_WINDOW:
            # It may be that of a stream that is over: only now is it worth looking.
            self._max_credit = max((call.credit for call in self.streams.values()), default=0)
            if size + self._max_credit > frames.MAX_WINDOW:
                return False
        for call in list(self._blocked):
            assert call.outgoing is not None
            self._make_ready(call, call.outgoing)
        return True

    def announce_empty_table(self) -> None:
        """Begin the next block with a table size update (RFC 7541 4.2)."""
        self._size_update_due = True
        self._update_clear()

    def pause(self) -> None:
        """TCP is full: leave data in the queues."""
        self._is_paused = True
        self._update_clear()

    def resume(self) -> None:
        """TCP takes more."""
        self._is_paused = False
        self._update_clear()

    def take(self) -> bytes:
        """Return output for writing, not too much at a time; see ``has_more``."""
        if self.acks:
            self.out += self.acks
            self.acks.clear()
        if not self.is_clear:
            self._pump()
        output = b"".join(self.out)
        self.out.clear()
        self._floor = self.window - UNWRITTEN
        return output

    @property
    def has_more(self) -> bool:
        """Whether ``take`` has more to return, now."""
        return bool(self._short or self._long) and not self._is_paused and self.window > 0

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to send."""
        return not self.out and not self.acks and not self._short and not self._long

    def _update_clear(self) -> None:
        self.is_clear = not (self._short or self._long or self._is_paused or self._size_update_due)

    def _make_ready(self, call: Call, outgoing: Outgoing) -> None:
        """Let a stream take turns if it has data and window, or note that it has no window."""
        if not outgoing.queue:
            self._blocked.discard(call)
        elif self.initial_window + call.credit <= 0:
            self._blocked.add(call)
        elif not outgoing.is_ready:
            self._blocked.discard(call)
            outgoing.is_ready = True
            (self._short if outgoing.size <= MAX_FRAME_SIZE else self._long).append(call)
            self.is_clear = False

    def _pump(self) -> None:
        """Send frames of the streams that can, in turns, but not too much at a time."""
        if self._is_paused:
            return
        short, long = self._short, self._long
        while (short or long) and self.window > 0 and self.window > self._floor:
            # Neither kind can keep the other from going on: each gets at least half of the bytes.
            is_first = bool(short) and (self._owed < MAX_FRAME_SIZE or not long)
            call = short.popleft() if is_first else long.popleft()
            outgoing = call.outgoing
            assert outgoing is not None
            outgoing.is_ready = False
            if outgoing.queue:
                # A setting may have taken its window away since it was put here.
                if self.initial_window + call.credit > 0:
                    size = self._send_turn(call, outgoing)
                    self._owed = self._owed + size if is_first else max(0, self._owed - size)
                self._make_ready(call, outgoing)
        if not long:
            self._owed = 0
        self._update_clear()

    def _send_turn(self, call: Call, outgoing: Outgoing) -> int:
        """Send one DATA frame of a stream and, if it was the last, the end; return its size."""
        piece = outgoing.take(min(self.window, self.initial_window + call.credit, MAX_FRAME_SIZE))
        size = len(piece)
        self.window -= size
        call.credit -= size
        self._count(-size)
        self.data_frames += 1
        self._policy.sent = True
        is_last = not outgoing.queue and outgoing.trailers is not None
        # A response without trailers, which is none of gRPC, ends with its last DATA.
        flags = END_STREAM if is_last and not outgoing.trailers else 0
        self.out += (FRAME_HEAD.pack(size << 8, flags, call.stream_id), piece)
        if is_last:
            if outgoing.trailers:
                self.headers(call.stream_id, outgoing.trailers, end_stream=True)
            self._close(call)
        if outgoing.waiters and self.has_room(call):
            outgoing.wake()
        return size
