"""
Frames that are no part of a request: they are about the connection, or a stream as such.

SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM and PRIORITY (RFC 9113 6.3 to 6.9), of which a
client may send few that bring no call forward, and our GOAWAY frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from etcdpy.transport.grpc.open_streams import OpenStreams
from etcdpy.transport.grpc.sender import Sender
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import (
    ConnectionFault,
    require_connection,
    require_size,
    require_stream,
    stream_in,
)
from etcdpy.transport.http2.goaway import GracefulShutdown
from etcdpy.transport.http2.keepalive import PingPolicy
from etcdpy.transport.http2.settings import read_settings


class Control:
    """
    Reads the control frames of one connection.

    Args:
        streams: The streams of the connection.
        sender: Its sending half.
        policy: How often its client may ping.
        graceful: Its graceful end.

    Attributes:
        needs_settings: Whether the client's SETTINGS have not come yet.

    """

    __slots__ = (
        "_graceful",
        "_last_goaway_id",
        "_policy",
        "_sender",
        "_streams",
        "needs_settings",
    )

    def __init__(
        self,
        streams: OpenStreams,
        sender: Sender,
        policy: PingPolicy,
        graceful: GracefulShutdown,
    ) -> None:
        self.needs_settings = True
        self._streams = streams
        self._sender = sender
        self._policy = policy
        self._graceful = graceful
        self._last_goaway_id = frames.MAX_STREAM_ID

    # What we say.

    def drain(self) -> None:
        """Send the second GOAWAY: no stream above those that have come is served."""
        last = self._streams.last_id
        self._sender.out.append(self._graceful.drain(last))
        self._last_goaway_id = last
        self._streams.close()

    def end(self, code: int, debug: str = "") -> None:
        """Send the last GOAWAY."""
        # RFC 9113 6.8: no GOAWAY may name a higher stream than the one before it.
        last = min(self._streams.last_id, self._last_goaway_id)
        self._sender.out.append(frames.goaway(last, code, debug.encode()))

    # One method for each type of frame, told when it came. All raise ConnectionFault.

    def on_priority(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        require_stream(stream_id)
        self._streams.count_useless(now)
        # RFC 9113 6.3, and RFC 7540 5.3.1 for a stream that is its own parent.
        if len(payload) != 5:
            self._streams.reset_any(stream_id, frames.FRAME_SIZE_ERROR)
        elif stream_in(payload) == stream_id:
            self._streams.reset_any(stream_id, frames.PROTOCOL_ERROR)

    def on_rst_stream(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        require_size(payload, 4)  # RFC 9113 6.4
        self._streams.require_begun(stream_id)  # RFC 9113 6.4
        call = self._streams.by_id.get(stream_id)
        if call is None:
            # RFC 9113 5.1: to be expected on a stream that is over; grpc-go's clients do so.
            self._streams.count_useless(now)
        else:
            self._streams.reset_by_client(call, now)

    def on_settings(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        require_connection(stream_id)
        if flags & frames.ACK:
            require_size(payload, 0)  # RFC 9113 6.5
            # We send SETTINGS but once, so there is nothing to tell apart.
            self._streams.count_useless(now)
            return
        if self.needs_settings:
            self.needs_settings = False
        else:
            self._streams.count_useless(now)
        changed = read_settings(payload)
        sender = self._sender
        position = len(sender.out)
        if changed.names_table_size:
            # RFC 7541 4.2: nghttp2 fails on our next block if it does not say so.
            sender.announce_empty_table()
        if changed.max_list is not None:
            sender.max_list = changed.max_list
        window = changed.initial_window
        if window is not None and not sender.set_initial_window(window):
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR)  # RFC 9113 6.9.2
        # RFC 9113 6.5.3: before DATA that a new window has let out.
        sender.out.insert(position, frames.SETTINGS_ACK)

    def on_push_promise(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        # RFC 9113 8.4: a client cannot push.
        raise ConnectionFault(frames.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def on_ping(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        require_connection(stream_id)
        require_size(payload, 8)  # RFC 9113 6.7
        if flags & frames.ACK:
            if self._graceful.is_acknowledged_by(payload):
                self.drain()
            else:
                self._streams.count_useless(now)
            return
        # RFC 9113 6.7: with the same payload, and even if this one is too many.
        acknowledgement = frames.ping(payload, ack=True)
        if self._policy.is_too_many(now, open_streams=bool(self._streams.by_id)):
            self._sender.out.append(acknowledgement)
            # grpc clients look for this very text and ping less from then on.
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too_many_pings")
        self._sender.acks.append(acknowledgement)

    def on_goaway(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        require_connection(stream_id)
        if len(payload) < 8:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR)  # RFC 9113 6.8
        # RFC 9113 6.8: it speaks of streams that we would open. The client's own go on.
        self._streams.count_useless(now)

    def on_window_update(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        # RFC 9113 6.9 for the size and an increment of 0, 6.9.1 for a window that is too large.
        require_size(payload, 4)
        streams = self._streams
        streams.count_useless(now)
        increment = stream_in(payload)
        if stream_id == 0:
            if not increment:
                raise ConnectionFault(frames.PROTOCOL_ERROR)
            if not self._sender.connection_window_grew(increment):
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR)
            return
        streams.require_begun(stream_id)
        call = streams.by_id.get(stream_id)
        if call is None:
            return  # the client does not know yet that the stream is over
        if not increment:
            streams.fault(call, frames.PROTOCOL_ERROR)
        elif not self._sender.stream_window_grew(call, increment):
            streams.fault(call, frames.FLOW_CONTROL_ERROR)


#: Who reads which type of frame.
READERS: Final[dict[int, Callable[[Control, int, int, bytes, float], None]]] = {
    frames.PRIORITY: Control.on_priority,
    frames.RST_STREAM: Control.on_rst_stream,
    frames.SETTINGS: Control.on_settings,
    frames.PUSH_PROMISE: Control.on_push_promise,
    frames.PING: Control.on_ping,
    frames.GOAWAY: Control.on_goaway,
    frames.WINDOW_UPDATE: Control.on_window_update,
}
