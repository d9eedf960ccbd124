"""
The receiving half of an HTTP/2 connection: from its bytes to requests. Does no I/O.

Whoever drives a connection hands it what arrived, with the time, then writes what
``sender.take()`` returns, until it is empty, and closes once ``is_finished``. Calls go to an
:class:`CallHandler` as they become complete; it answers through ``sender``, at once or later.
"""

from __future__ import annotations

import logging
from collections import deque
from struct import Struct
from typing import Final

from etcdpy.clock import Clock, stopwatch
from etcdpy.memory import Account, Budget
from etcdpy.transport.grpc import books
from etcdpy.transport.grpc.call import Arrived, Call
from etcdpy.transport.grpc.call_handler import CallHandler, Driver
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.control import READERS, Control
from etcdpy.transport.grpc.messages import PREFIX_SIZE, is_one_message
from etcdpy.transport.grpc.open_streams import OpenStreams
from etcdpy.transport.grpc.request_blocks import RequestBlocks
from etcdpy.transport.grpc.request_head import METADATA, RequestHead
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache, RequestHeadReader
from etcdpy.transport.grpc.sender import Sender
from etcdpy.transport.grpc.states import HandlerState, StreamState
from etcdpy.transport.grpc.status import ProtocolStatus
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.blocks import Block, BlockReader
from etcdpy.transport.http2.faults import (
    ConnectionFault,
    StreamFault,
    illegal_stream,
    strip_padding,
)
from etcdpy.transport.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEAD,
    HEADER_SIZE,
    HEADERS,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    PADDED,
)
from etcdpy.transport.http2.goaway import GracefulShutdown, Stage
from etcdpy.transport.http2.keepalive import Keepalive, PingPolicy
from etcdpy.transport.http2.settings import first_frames
from etcdpy.transport.limits import (
    CONNECTION_WINDOW,
    COPIES,
    FIRST_FRAMES_SECONDS,
    INITIAL_STREAM_WINDOW,
    LARGE_REQUEST,
    MAX_BUFFERED,
    STARTING_SECONDS,
    ServerOptions,
)

_logger: Final = logging.getLogger(__name__)

_DATA_AND_PREFIX: Final = Struct(">IBIBI")
"""The head of a DATA frame and the prefix of the message it begins with."""
_DATA_AND_PREFIX_SIZE: Final = 14

# Constants of this module are found faster than members of an enum.
_OPEN: Final = StreamState.OPEN
_HALF_CLOSED: Final = StreamState.HALF_CLOSED
_CLOSED: Final = StreamState.CLOSED
_IDLE: Final = HandlerState.IDLE
_MORE: Final = Arrived.MORE
_SERVING: Final = Stage.OPEN
_DRAINING: Final = Stage.DRAINING
_REQUEST: Final = Arrived.REQUEST


class Connection:
    """
    One client's connection.

    Args:
        call_handler: Runs the handlers.
        head_cache: The server's request heads.
        options: The server's.
        now: When the connection began, in monotonic seconds.
        peer: The client's address as gRPC writes it.
        certificate_name: The common name of its certificate, if that says who it is.
        is_secure: Whether it is encrypted: then etcd answers what is not gRPC as HTTP.
        driver: Writes output that is made at other times than in ``receive`` and ``tick``.

    Attributes:
        call_handler: As given.
        options: As given.
        sender: The sending half.
        streams: The open streams.
        table: What else is known of streams.
        complete: Calls whose request became complete, to be started when all that arrived
            together has been looked at: an END_STREAM in a frame of its own often follows.
            They stay here while the client does not read what it has asked for.
        awaiting_next: Streams each of whose requests gets a response, and has got it: the next
            one goes straight to the handler.
        awaits_rest: Set when what was read ended within a frame, or before the message of a
            request whose beginning was in it, or was nothing that is answered: more is to be
            expected before anything is sent. The driver clears it.
        unread: What the client has sent and is not answered yet is put to it, but for what is small
            and answered at once. While it is over its share the connection is read more slowly.
        peer: As given.
        certificate_name: As given.
        now: When what was read last had arrived, in monotonic seconds.
        turnstile: The call handler's.

    """

    # More attributes than an instance keeps in line: else each look at one is a dict lookup.
    __slots__ = (
        "_blocks",
        "_buffer",
        "_control",
        "_direct_limit",
        "_driver",
        "_graceful",
        "_head_reader",
        "_incomplete",
        "_is_full",
        "_is_over",
        "_is_plain",
        "_is_receiving",
        "_is_secure",
        "_keepalive",
        "_needs_preface",
        "_new_call",
        "_requests",
        "_uncredited",
        "_waits_since",
        "awaiting_next",
        "awaits_rest",
        "call_handler",
        "certificate_name",
        "complete",
        "now",
        "options",
        "peer",
        "sender",
        "streams",
        "table",
        "turnstile",
        "unread",
    )

    def __init__(
        self,
        call_handler: CallHandler,
        head_cache: RequestHeadCache,
        options: ServerOptions,
        now: float,
        *,
        peer: str = "",
        certificate_name: str | None = None,
        is_secure: bool = False,
        driver: Driver | None = None,
    ) -> None:
        self.call_handler = call_handler
        self.options = options
        self.turnstile = call_handler.turnstile
        self.peer = peer
        self.certificate_name = certificate_name
        self._driver = driver
        self._is_secure = is_secure
        # Those to look at when all that arrived together is read, and whether they are new.
        self._incomplete: dict[Context, bool] = {}
        self.awaits_rest = False
        self._new_call = call_handler.call_type
        self.streams: dict[int, Context] = {}
        self.complete: deque[Context] = deque()
        self.awaiting_next: dict[int, Context] = {}
        policy = PingPolicy(options.keepalive_min_time)
        self.sender = Sender(self.streams, policy)
        self._keepalive = Keepalive(options.keepalive_interval, options.keepalive_timeout, now)
        self._head_reader = RequestHeadReader(head_cache)
        self._graceful = GracefulShutdown()
        self.table = OpenStreams(self.streams, self.sender, call_handler, options)
        self._requests = RequestBlocks(self._head_reader, self.table, self.streams)
        self._control = Control(self.table, self.sender, policy, self._graceful)
        self.now = now
        self._buffer = b""
        self._is_receiving = False
        self._is_over = False
        self._needs_preface = True
        self._waits_since = now
        self._uncredited = 0
        self._direct_limit = min(options.max_receive_message, MAX_FRAME_SIZE - PREFIX_SIZE)
        self._blocks = BlockReader(self._head_reader.begin)
        self._is_plain = False
        self.unread = Account()
        # Whether so much was sent that more is to be refused.
        self._is_full = False

    # What the driver calls.

    def join(self, memory: Budget) -> None:
        """Put what is held from now on to a budget."""
        assert self._driver is not None
        self.sender.keep_account(Account(memory), self._driver.go_on)
        self.unread = Account(memory)
        self.unread.on_over = self._have_too_much
        self.table.account = Account(memory)

    def leave(self) -> None:
        """Hold nothing any more: all calls have ended, and there is nothing to be written."""
        # What is kept of one may hold a request of megabytes. And the collector comes by once in a
        # billion objects: whoever drives this and is referred to from here would stay until then.
        self._incomplete.clear()
        self._driver = None
        self.unread.close()
        self.table.account.close()
        self.sender.close()

    def receive(self, data: bytes, now: float) -> None:
        """Take what arrived, in pieces of any size."""
        if self._is_over:
            return
        self.now = self._keepalive.last_read = now
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._is_receiving = True
        try:
            if self._needs_preface:
                data = self._read_preface(data)
            # Fast path (bench: keepalive/100): a read mostly holds one such request and no more.
            start = self._read_expected(data, 0) if self.awaiting_next and self._is_plain else 0
            if start < len(data):
                self._read_frames(data, now, start)
                if self.complete:
                    self.start_complete()
                if self._incomplete or self._buffer:
                    self._look_at_incomplete()
        except ConnectionFault as fault:
            self._end(fault.code, fault.debug)
        except Exception:
            # The client learns that the fault is ours.
            _logger.exception("connection of %s failed", self.peer)
            self._end(frames.INTERNAL_ERROR)
        finally:
            self._is_receiving = False
        if books.are_checked and not self._is_over:
            books.check_books(self)

    def tick(self, now: float) -> None:
        """Look at the clock, about once a second."""
        if self._is_over:
            return
        # Bytes that dribble in reset nothing: else a client could stay in its preface for ever.
        if not self._is_plain and now - self._waits_since >= FIRST_FRAMES_SECONDS:
            self._end(frames.PROTOCOL_ERROR, "handshake or header block took too long")
        elif self._keepalive.is_dead(now):
            self._is_over = True  # no GOAWAY: nobody is there to read it
        elif self._keepalive.needs_ping(now):
            self.sender.out.append(frames.ping(bytes(8)))
        if self._graceful.is_overdue(now):
            self._control.drain()
        if self._graceful.is_unread(now):
            for call in self.table.endless():
                self.table.cut(call)
        self.sender.reset_stalled(now)
        self.table.settle()
        self.start_complete()
        if books.are_checked and not self._is_over:
            books.check_books(self)

    def resume(self) -> None:
        """Note that the transport takes output again, after ``sender.pause()``."""
        self.sender.resume()
        self.start_complete()

    @property
    def is_behind(self) -> bool:
        """Whether something is complete, and nothing but time is wanting to start it."""
        return bool(self.complete) and not self.sender.is_congested

    @property
    def is_between_frames(self) -> bool:
        """Whether what comes next begins with a frame."""
        return not (self._buffer or self._needs_preface)

    @property
    def missing(self) -> int:
        """How many bytes are known to be wanting for the next frame to be whole."""
        buffer = self._buffer
        return 0 if len(buffer) < 4 else int.from_bytes(buffer[:3], "big") + 9 - len(buffer)

    def start_complete(self) -> None:
        """Start what is complete, unless so much output waits that more must not be made."""
        until = 0.0
        while self.complete and not self.sender.is_congested:
            call = self.complete.popleft()
            if call.is_answered:
                # Reset, or out of time, while it waited here.
                continue
            if call.head.http_fields is not None:
                self._start_http(call)
            else:
                try:
                    message = call.take_request()
                except ProtocolStatus as status:
                    self.table.reject(call, status)
                else:
                    self._start_unary(call, message)
                    if len(message) >= LARGE_REQUEST:
                        self._works_on(call, len(message))
            if self.complete and self._driver is not None:
                now = stopwatch()
                until = until or now + STARTING_SECONDS
                if now >= until:
                    self._driver.go_on()
                    return

    def shut_down(self, now: float) -> None:
        """
        Ask the client to go elsewhere; serve what it has begun, then be finished.

        Streams that do not end by themselves are ended, behind what was sent on them.
        """
        if self._needs_preface:
            self._is_over = True
        elif not self._is_over:
            self.sender.out.append(self._graceful.announce(now))
            # To wait for these would be in vain, and whoever keeps a lease alive needs the time.
            for call in self.table.endless():
                self.table.turn_away(call)

    def stop(self) -> None:
        """End every call, and then the connection, at once."""
        for call in list(self.streams.values()):
            self.table.cut(call)
        if not self._is_over and not self._needs_preface:
            self._end(frames.NO_ERROR)
        self._is_over = True

    def lost(self, most: int | None = None) -> bool:
        """
        Note that the transport is gone: nothing can be answered any more.

        Args:
            most: How many calls to end now, None for all.

        Returns:
            Whether there are more of them.

        """
        self._is_over = True
        self._blocks.abandon()
        self.complete.clear()
        # A handler that is cancelled may end other calls, too.
        while self.streams and most != 0:
            self.table.gone(next(iter(self.streams.values())))
            most = None if most is None else most - 1
        return bool(self.streams)

    @property
    def is_finished(self) -> bool:
        """Whether to close the transport once the output is written."""
        if self._is_over:
            return True
        return self._graceful.stage is _DRAINING and not self.streams

    # What calls in progress need; see Channel.

    @property
    def is_secure(self) -> bool:
        return self._is_secure

    @property
    def clock(self) -> Clock:
        """What deadlines are on."""
        return self.call_handler.clock

    def touch(self) -> None:
        """Have output written before long that did not come of :meth:`receive`."""
        if self._driver is not None and not self._is_receiving:
            self._driver.schedule()

    def flush(self) -> None:
        """Have output written now, after many calls at once were answered."""
        if self._driver is not None and not self._is_receiving:
            self._driver.flush()

    def expect(self, call: Call) -> None:
        """Let the next request of a stream go straight to its handler, which waits for it."""
        waiting = self.streams.get(call.stream_id)
        # An announced length has to be compared with the DATA (RFC 9113 8.1.1): the long way.
        if (
            waiting is not None
            and (call.incoming is None or not call.buffered)
            and call.head.content_length < 0
        ):
            self.awaiting_next[call.stream_id] = waiting

    def expect_no_more(self, call: Call) -> None:
        """Keep what arrives on a stream until it is asked for."""
        self.awaiting_next.pop(call.stream_id, None)

    def orphaned(self) -> None:
        """Note a handler that goes on without its stream; it still counts as a live one."""
        self.table.orphaned(1)

    def orphan_ended(self) -> None:
        """Note that such a handler has ended."""
        self.table.orphaned(-1)

    # Frames.

    def _read_preface(self, data: bytes) -> bytes:
        # RFC 9113 3.4: whatever else comes is no HTTP/2, so a GOAWAY may be left out.
        head = data[: len(frames.PREFACE)]
        if not frames.PREFACE.startswith(head):
            self._is_over = True
            return b""
        if len(head) < len(frames.PREFACE):
            self._buffer = data
            return b""
        self._needs_preface = False
        # RFC 9113 3.4: our first frame is SETTINGS; the client's need not have come for that.
        self.sender.out.append(first_frames(self.options.max_concurrent_streams))
        return data[len(head) :]

    def _read_expected(self, data: bytes, pos: int) -> int:
        """Have requests answered by handlers that wait for them; return where other bytes begin."""
        unpack, awaiting = _DATA_AND_PREFIX.unpack_from, self.awaiting_next
        limit, total = self._direct_limit, len(data)
        last = total - _DATA_AND_PREFIX_SIZE
        while pos <= last:
            word, flags, stream_id, is_compressed, length = unpack(data, pos)
            call = awaiting.get(stream_id)
            size = length + PREFIX_SIZE
            end = pos + HEADER_SIZE + size
            if (
                call is None
                or word != size << 8  # DATA, and exactly this message
                or flags > END_STREAM  # padded
                or is_compressed
                or length > limit
                or end > total
            ):
                break
            self._uncredited += size
            call.bypassed = bypassed = call.bypassed + size
            if bypassed >= _ACCOUNT_AT:
                self._account(call)
            self.call_handler.answer_one(call, data[pos + _DATA_AND_PREFIX_SIZE : end])
            pos = end
            if flags and call.stream_state is not _CLOSED:
                self._take(call, b"", 0, is_ended=True)
        if self._uncredited >= _CREDIT_AT:
            self._credit()
        return pos

    def _read_frames(self, data: bytes, now: float, pos: int) -> None:
        """
        Read all whole frames from ``pos`` on and keep the rest.

        Fast path (bench: range/100x1, put/100x1, txn-put/100x1): a call of a known kind whose
        request is one HEADERS and one DATA frame, both here, goes from bytes to handler without
        a detour.
        """
        unpack = FRAME_HEAD.unpack_from
        unpack_data = _DATA_AND_PREFIX.unpack_from
        known = self._head_reader.known
        new_call = self._new_call
        start_unary = self.call_handler.start_unary
        streams = self.streams
        table = self.table
        last_id, has_control = table.last_id, False
        end = len(data)
        while end - pos >= HEADER_SIZE:
            word, flags, stream_id = unpack(data, pos)
            start = pos + HEADER_SIZE
            pos = start + (word >> 8)
            if pos > end:
                # By its head alone: to wait for the rest would mean to keep up to 16 MiB.
                if word >> 8 > MAX_FRAME_SIZE:
                    raise ConnectionFault(frames.FRAME_SIZE_ERROR)  # RFC 9113 4.2
                pos = start - HEADER_SIZE
                break
            if (
                word & 0xFF == HEADERS
                and flags == END_HEADERS
                and word <= _MAX_HEADERS_WORD
                and table.last_id < stream_id <= MAX_STREAM_ID  # RFC 9113 5.1.1
                and stream_id & 1
                and self._is_plain
            ):
                # RFC 9113 5.1.1: even if refused, its use closes the idle streams below it.
                table.last_id = stream_id
                table.begun += 1
                block = data[start:pos]
                # RFC 9113 4.3: each is decoded, unless it is known to leave the table as it is.
                timed = known.get(block) or self._requests.read(stream_id, block)
                if timed is None:
                    continue
                head, timeout = timed
                if (
                    head.direct
                    and end - pos >= _DATA_AND_PREFIX_SIZE
                    and len(streams) < table.room  # RFC 9113 5.1.2
                    and not self.sender.is_congested
                ):
                    word, flags, data_stream_id, is_compressed, length = unpack_data(data, pos)
                    start = pos + _DATA_AND_PREFIX_SIZE
                    if (
                        word == (length + PREFIX_SIZE) << 8  # DATA, and exactly this message
                        and flags == END_STREAM
                        and data_stream_id == stream_id
                        and not is_compressed
                        and length <= self._direct_limit
                        and start + length <= end
                        and head.content_length in (-1, length + PREFIX_SIZE)  # RFC 9113 8.1.1
                    ):
                        pos = start + length
                        # RFC 9113 6.9.1. The window of a new stream has room for any frame.
                        self._uncredited += length + PREFIX_SIZE
                        if self._uncredited >= _CREDIT_AT:
                            self._credit()
                        deadline = None if timeout is None else now + timeout
                        # Both of its frames are here: OPEN, then RECV_END.
                        call = new_call(stream_id, head, deadline, _HALF_CLOSED)
                        call.channel = self
                        start_unary(call, data[start:pos])
                        if call.stream_state is not _CLOSED:
                            streams[stream_id] = call
                            if length >= LARGE_REQUEST:
                                self._works_on(call, length)
                        continue
                elif head.one_by_one:
                    pos = self._begin_one_by_one(stream_id, head, timeout, data, pos)
                    continue
                self._begin(stream_id, head, timeout, is_ended=False)
                continue
            kind = word & 0xFF
            # RFC 9113 4.3: no other frame comes within a header block.
            if self._blocks.is_open and kind != CONTINUATION:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "a header block is not complete")
            # RFC 9113 3.4: the preface includes SETTINGS.
            if self._control.needs_settings and (kind != frames.SETTINGS or flags & frames.ACK):
                raise ConnectionFault(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            if word >> 8 > MAX_FRAME_SIZE:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR)  # RFC 9113 4.2
            if kind:  # other than DATA
                has_control = True
            stream_id &= MAX_STREAM_ID
            if kind == DATA:
                expected = self.awaiting_next.get(stream_id)
                if expected is not None and flags <= END_STREAM:
                    if pos == start and flags:
                        self._take(expected, b"", 0, is_ended=True)
                        continue
                    before = start - HEADER_SIZE
                    if (after := self._read_expected(data, before)) > before:
                        pos = after
                        continue
                self._on_data(flags, stream_id, data[start:pos])
            elif (read_control := READERS.get(kind)) is not None:
                read_control(self._control, flags, stream_id, data[start:pos], now)
                if kind == frames.SETTINGS:
                    self._update_plain()
            elif kind == HEADERS:
                self._on_headers(flags, stream_id, data[start:pos])
            elif kind == CONTINUATION:
                self._on_continuation(flags, stream_id, data[start:pos])
            else:
                table.count_useless(now)  # RFC 9113 4.1: ignored
        if pos < end:
            self._buffer = data[pos:]
        if has_control and last_id == table.last_id and self.sender.is_quiet:
            self.awaits_rest = True

    def _look_at_incomplete(self) -> None:
        """See to calls whose request did not follow at once."""
        if self._buffer:
            self.awaits_rest = True
        for call, is_new in self._incomplete.items():
            if call.lacks_request:
                self.awaits_rest = True
            if (
                is_new
                and call.deadline is not None
                and call.handler_state is _IDLE
                and not call.is_answered
            ):
                self.call_handler.watch(call)
        self._incomplete.clear()

    def _start_unary(self, call: Context, message: bytes) -> None:
        # Its deadline was watched while the request was incomplete. While the handler runs it is
        # watched only if that has to wait.
        if call.tick:
            self.call_handler.unwatch(call)
        self.call_handler.start_unary(call, message)

    def _start_http(self, call: Context) -> None:
        """Answer a complete request that is not gRPC."""
        refusal = call.head.refusal
        if refusal is None or self._is_secure:
            self.call_handler.start_http(call, call.take_body())
        else:
            self.table.answer_refused(call, refusal)

    # Requests.

    def _begin(
        self, stream_id: int, head: RequestHead, timeout: float | None, *, is_ended: bool
    ) -> None:
        """Open the stream of a request; its block has been read."""
        if self._graceful.stage is _DRAINING:
            # RFC 9113 6.8: the second GOAWAY has told the client that this one is not served.
            self.sender.remember(stream_id)
            return
        refusal = head.refusal
        # What is not gRPC is asked of HTTP, or gets the same answer when all of it is here.
        if (
            refusal is not None
            and head.http_fields is not None
            and (self._is_secure or (refusal.waits and not is_ended))
        ):
            refusal = None
        # grpc-go's order: streams are counted after the checks up to METADATA.
        is_late_refusal = refusal is None or refusal.rank > METADATA
        table = self.table
        if is_late_refusal and len(self.streams) >= table.room and not table.make_room():
            self.table.refuse(stream_id, frames.REFUSED_STREAM)  # RFC 9113 5.1.2
            return
        deadline = None if timeout is None else self.now + timeout
        call = self._new_call(stream_id, head, deadline, _OPEN)
        call.channel = self
        self.streams[stream_id] = call
        if refusal is not None:
            if is_ended:
                call.stream_state = _HALF_CLOSED  # OPEN, then RECV_END
            self.table.answer_refused(call, refusal)
            return
        if self._graceful.stage is not _SERVING and head.route is not None and head.route.endless:
            if is_ended:
                call.stream_state = _HALF_CLOSED
            self.table.turn_away(call)
            return
        if head.size:
            self._keep_head(call, head.size)
            if call.is_answered:
                return
        if head.route is not None and head.route.request_streaming:
            if not head.route.one_reply_per_request:
                call.expect(self.options.max_receive_message, self.unread)
            self.call_handler.start_stream(call)
        elif not is_ended and self._is_secure and self.options.is_streamed(head.path):
            call.expect(self.options.max_http_body, self.unread)
            self.call_handler.start_http(call, b"")
        self._incomplete[call] = True
        if is_ended:
            # A GET is complete; a call lacks its message (etcd without TLS lets it time out).
            self._take(call, b"", 0, is_ended=True)

    def _keep_head(self, call: Context, size: int) -> None:
        """Note what a call with a large head holds, or refuse it if that is too much."""
        is_http = call.head.http_fields is not None
        options = self.options
        limit = options.max_http_body if is_http else options.max_receive_message
        call.expect(limit, self.unread).work_on(size)
        # Its answer does not go the shortest way, which takes nothing back.
        call.make_options()
        if self._is_full:
            self._make_room(call)

    def _begin_one_by_one(
        self, stream_id: int, head: RequestHead, timeout: float | None, data: bytes, pos: int
    ) -> int:
        """Open a stream whose requests are answered one by one; return where other bytes begin."""
        # Fast path (bench: keepalive/100): what _begin() does where nothing speaks against it.
        if self._graceful.stage is not _SERVING or len(self.streams) >= self.table.room:
            self._begin(stream_id, head, timeout, is_ended=False)
            return pos
        deadline = None if timeout is None else self.now + timeout
        call = self._new_call(stream_id, head, deadline, _OPEN)
        call.channel = self
        self.streams[stream_id] = call
        self.call_handler.start_stream(call)
        end = self._read_expected(data, pos)
        if end == pos:
            self._incomplete[call] = True
        return end

    def _read_block(self, block: Block) -> None:
        """Act on a header block that did not take the short way."""
        stream_id = block.stream_id
        if stream_id <= self.table.last_id:
            self._read_trailers(block)
            return
        if not stream_id & 1:
            raise illegal_stream(stream_id)  # RFC 9113 5.1.1
        self.table.last_id = stream_id
        self.table.begun += 1
        known = self._head_reader.known.get(block.data) if block.pieces is None else None
        timed = known or self._requests.read(stream_id, block.data, block.pieces)
        if timed is None:
            return
        if block.is_own_parent:
            self.table.refuse(stream_id, frames.PROTOCOL_ERROR)  # RFC 7540 5.3.1
        else:
            self._begin(stream_id, *timed, is_ended=block.is_ended)

    def _read_trailers(self, block: Block) -> None:
        """Read a second block of a stream, which has nothing to say but that it ends."""
        call = self.streams.get(block.stream_id)
        if call is None and block.stream_id not in self.sender.ended_by_us:
            raise illegal_stream(block.stream_id)  # RFC 9113 5.1.1
        is_good = self._requests.are_trailers(block)
        if call is None:
            # RFC 9113 5.1: we have ended the stream, and the client may not know it yet.
            self.table.count_useless(self.now)
            return
        if call.stream_state.is_ended_by_client:
            self.table.fault(call, frames.STREAM_CLOSED)  # RFC 9113 5.1
        elif not is_good:
            self.table.fault(call, frames.PROTOCOL_ERROR)  # RFC 9113 8.1
        else:
            self._take(call, b"", 0, is_ended=True)

    # The frames of requests. These raise ConnectionFault, and Control reads the others.

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        # RFC 9113 6.1, 6.9: padding counts, and so does DATA of a stream that is closed, or the
        # connection's window would shrink for ever.
        self._uncredited += size
        if self._uncredited >= _CREDIT_AT:
            self._credit()
        if flags & PADDED:
            payload = strip_padding(payload, 0)
        call = self.streams.get(stream_id)
        if call is None:
            self.table.require_begun(stream_id)
            if stream_id not in self.sender.ended_by_us:
                self.table.refuse(stream_id, frames.STREAM_CLOSED)  # RFC 9113 5.1: closed
            # No limit on the others: a whole window may be on its way to a stream we have ended.
            elif not payload:
                self.table.count_useless(self.now)
            return
        is_ended = bool(flags & END_STREAM)
        if (
            is_ended
            and call.incoming is None
            and call.stream_state is _OPEN
            and not self.sender.is_congested
            and call.head.direct
            and call.head.content_length in (-1, len(payload))
            and is_one_message(payload, self._direct_limit)
        ):
            # The short way for clients on C-core, which send a WINDOW_UPDATE of the stream between
            # HEADERS and this. No workload has such a client.
            call.stream_state = _HALF_CLOSED  # OPEN, then RECV_END
            self._start_unary(call, payload[PREFIX_SIZE:])
            return
        if call.stream_state & 1:  # ended by the client
            self.table.fault(call, frames.STREAM_CLOSED)  # RFC 9113 5.1: half-closed (remote)
            return
        if not payload and not is_ended:
            # RFC 9113 10.5: legal, but a thousand of them say no more than one.
            self.table.count_useless(self.now)
        self._take(call, payload, size, is_ended=is_ended)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._blocks.start(flags, stream_id, payload)
        if block is not None:
            self._read_block(block)
        else:
            self._waits_since = self.now
            self._update_plain()

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._blocks.go_on(flags, stream_id, payload)
        if block is not None:
            self._update_plain()
            self._read_block(block)

    # Helpers.

    def _take(self, call: Context, payload: bytes, size: int, *, is_ended: bool) -> None:
        """Hand a call what has arrived of it, and act on what that means."""
        try:
            if size:
                if call.incoming is None:
                    is_http = call.head.http_fields is not None
                    options = self.options
                    limit = options.max_http_body if is_http else options.max_receive_message
                    call.expect(limit, self.unread)
                self._act(call, call.receive(payload, size))
            if is_ended and call.stream_state is not _CLOSED:
                self._act(call, call.half_close())
        except StreamFault as fault:
            self.table.fault(call, fault.code)
        except ProtocolStatus as status:
            self.table.reject(call, status)
        if self._is_full:
            self._make_room(call)

    def _have_too_much(self) -> None:
        """Read no more for now, or else refuse what comes next."""
        self._is_full = self._driver is None or not self._driver.read_later(self.unread)

    def _make_room(self, call: Context) -> None:
        """Refuse a request, of which something has just arrived, if that is too much."""
        self._is_full = False
        if self.unread.is_over and not call.is_answered and call.keeps_much:
            self.unread.budget.refusal()
            self.table.turn_down(call)

    def _works_on(self, call: Context, size: int) -> None:
        """Note that a request is kept until it is answered, also as what was made of it."""
        if not call.is_answered:
            incoming = call.expect(size, self.unread)
            incoming.work_on(size * COPIES)
            # Its answer does not go the shortest way, which takes nothing back.
            call.make_options()

    def _act(self, call: Context, arrived: Arrived) -> None:
        """Act on what the call says about something that has arrived."""
        if call.incoming is not None and call.incoming.granted:
            self.sender.grant(call.stream_id, call.take_grant())
        if arrived is _MORE:
            if call.head.route is not None and call.head.route.one_reply_per_request:
                self.call_handler.answer_arrived(call)
            elif call.incoming is not None:
                if call.passing is not None:
                    # Or what comes before the handler has read this would overtake it.
                    self.expect_no_more(call)
                call.incoming.wake()
        elif arrived is _REQUEST:
            self.complete.append(call)
        elif call.handler_state is _IDLE:
            self._incomplete.setdefault(call, False)

    def _account(self, call: Context) -> None:
        """Count what went past the buffer of a stream towards its window, and give it back."""
        call.expect(self.options.max_receive_message, self.unread)
        call.account()
        self.sender.grant(call.stream_id, call.take_grant())

    def _credit(self) -> None:
        """Give the connection's window back: one slow stream must not hold up the others."""
        self.sender.grant(0, self._uncredited)
        self._uncredited = 0
        # Looked at once in a while, so that it need not be counted with each frame.
        buffered = sum(call.buffered for call in self.streams.values())
        while buffered > MAX_BUFFERED:
            largest = max(self.streams.values(), key=lambda call: call.buffered)
            buffered -= largest.buffered
            self.table.fault(largest, frames.ENHANCE_YOUR_CALM)

    def _update_plain(self) -> None:
        self._is_plain = not (self._control.needs_settings or self._blocks.is_open)

    def _end(self, code: int, debug: str = "") -> None:
        """Send the last GOAWAY and be over; handlers learn of it through :meth:`lost`."""
        self._control.end(code, debug)
        self._is_over = True


# A quarter of each window: few WINDOW_UPDATE frames, and no client has to stop for one.
_ACCOUNT_AT: Final = INITIAL_STREAM_WINDOW // 4
_CREDIT_AT: Final = CONNECTION_WINDOW // 4
_MAX_HEADERS_WORD: Final = MAX_FRAME_SIZE << 8 | HEADERS
