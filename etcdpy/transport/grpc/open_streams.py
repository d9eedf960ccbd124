"""The streams of a connection: how many may be open, and the ways in which one ends."""

from __future__ import annotations

from typing import Final

from etcdpy.memory import Account
from etcdpy.transport.grpc.call_handler import CallHandler
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.request_head import Refusal
from etcdpy.transport.grpc.sender import Sender
from etcdpy.transport.grpc.states import StreamInput, StreamState, move_stream
from etcdpy.transport.grpc.status import (
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    ProtocolStatus,
)
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.abuse import AbuseGuard
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.limits import (
    FREE_ORPHANS,
    FREE_STREAMS,
    STREAM_SIZE,
    STREAMS_AT_ONCE,
    ServerOptions,
)

# Constants of this module are found faster than members of an enum.
_RESPONDING: Final = StreamState.OPEN_RESPONDING


class OpenStreams:
    """
    The open streams of one connection, and what is known of the others.

    Args:
        by_id: Where the open ones are; the sender takes out those that it has ended.
        sender: The sending half of the connection.
        call_handler: Runs the handlers.
        options: The server's.

    Attributes:
        account: What streams beyond ``FREE_STREAMS`` are put to.
        by_id: As given.
        last_id: The highest stream that the client has used (RFC 9113 5.1.1).
        begun: How many it has begun.
        room: How many may be open now; see ``make_room``.

    """

    __slots__ = (
        "_abuse",
        "_call_handler",
        "_is_closed",
        "_options",
        "_orphans",
        "_provided",
        "_sender",
        "account",
        "begun",
        "by_id",
        "last_id",
        "room",
    )

    def __init__(
        self,
        by_id: dict[int, Context],
        sender: Sender,
        call_handler: CallHandler,
        options: ServerOptions,
    ) -> None:
        self.by_id = by_id
        self.last_id = 0
        self.begun = 0
        self.account = Account()
        # For how many there is memory: some more each time when they are not enough.
        self._provided = FREE_STREAMS
        self._sender = sender
        self._call_handler = call_handler
        self._options = options
        self._abuse = AbuseGuard()
        self._orphans = 0
        self._is_closed = False
        self._update_room()

    # How many.

    def make_room(self) -> bool:
        """Ask for memory for more streams, as there is none; return whether one may be opened."""
        while self._provided < self._options.live_streams and not self._is_closed:
            more = STREAMS_AT_ONCE * STREAM_SIZE
            if self.account.is_over_without(-more):
                self.account.budget.refusal()
                return False
            self.account.add(more)
            self._provided += STREAMS_AT_ONCE
            self._update_room()
            if len(self.by_id) < self.room:
                return True
        return False

    def settle(self) -> None:
        """Give back memory for streams that were closed, about once a second."""
        used = len(self.by_id) + self._orphans + STREAMS_AT_ONCE
        blocks = (self._provided - max(used, FREE_STREAMS)) // STREAMS_AT_ONCE
        if blocks > 0:
            self.account.give(blocks * STREAMS_AT_ONCE * STREAM_SIZE)
            self._provided -= blocks * STREAMS_AT_ONCE
            self._update_room()

    @property
    def orphans(self) -> int:
        """How many handlers go on without their streams."""
        return self._orphans

    def orphaned(self, change: int) -> None:
        """Note a handler that goes on without its stream, or with -1 the end of one."""
        self._orphans += change
        self._update_room()

    def close(self) -> None:
        """Let no more be opened."""
        self._is_closed = True
        self._update_room()

    def _update_room(self) -> None:
        # Without room every request takes the connection's long way, on which it is dropped.
        orphans = max(0, self._orphans - FREE_ORPHANS)
        most = min(self._options.live_streams, self._provided)
        self.room = 0 if self._is_closed else most - orphans

    def endless(self) -> list[Context]:
        """Return the calls that do not end by themselves."""
        return [call for call in self.by_id.values() if call.is_endless]

    def require_begun(self, stream_id: int) -> None:
        """Check that a stream was opened: RFC 9113 5.1 allows few frames on an idle one."""
        if stream_id == 0 or not stream_id & 1 or stream_id > self.last_id:
            raise ConnectionFault(frames.PROTOCOL_ERROR, f"frame on idle stream {stream_id}")

    # Ended by us.

    def refuse(self, stream_id: int, code: int) -> None:
        """Reset a stream that never came to be."""
        # RFC 9113 8.7: this one promises that nothing was done, and is no fault of the client's.
        if code != frames.REFUSED_STREAM:
            self._abuse.count_fault()
        self._sender.out.append(frames.rst_stream(stream_id, code))
        # RFC 9113 5.1: frames that were sent before our reset arrived are to be expected.
        self._sender.remember(stream_id)

    def answer_refused(self, call: Context, refusal: Refusal) -> None:
        """Answer a request for which there is no handler."""
        error, status = refusal.error, refusal.http_status
        self._sender.status(call, error.code.value, error.details, http_status=status)

    def reject(self, call: Context, status: ProtocolStatus) -> None:
        """Answer a request that no handler will see."""
        self._sender.status(call, status.code.value, status.details)
        self._call_handler.cancel(call)

    def turn_down(self, call: Context) -> None:
        """Answer a request for which there is no memory, which is no fault of the client's."""
        if call.head.http_fields is None:
            status = ProtocolStatus(RESOURCE_EXHAUSTED, self._options.full_message)
            self.reject(call, status)
        else:
            self._sender.reset(call, frames.ENHANCE_YOUR_CALM)
            self._call_handler.cancel(call)

    def fault(self, call: Context, code: int) -> None:
        """Reset a stream for what the peer did on it (RFC 9113 5.4.2)."""
        self._abuse.count_fault()
        self._sender.reset(call, code)
        self._call_handler.cancel(call)

    def reset_any(self, stream_id: int, code: int) -> None:
        """Reset a stream in whatever state it is."""
        call = self.by_id.get(stream_id)
        if call is None:
            self.refuse(stream_id, code)
        else:
            self.fault(call, code)

    def turn_away(self, call: Context) -> None:
        """End a call because the server stops, behind what is queued for it."""
        # UNAVAILABLE: etcd's clients take up their watches and leases elsewhere for this code, and
        # give them up for most others. (etcd: client/v3/client.go, isHaltErr)
        self._sender.turn_away(call, UNAVAILABLE, self._options.stopped_message)
        self._call_handler.cancel(call)

    def cut(self, call: Context) -> None:
        """End a call because the server stops, whether its client reads or not."""
        # Where no status can follow, INTERNAL_ERROR lets etcd's clients come back as well; a
        # CANCEL would not.
        details = self._options.stopped_message
        self._sender.cut(call, UNAVAILABLE, details, reset=frames.INTERNAL_ERROR)
        self._call_handler.cancel(call)

    # Ended by the client.

    def reset_by_client(self, call: Context, now: float) -> None:
        """Note a RST_STREAM (RFC 9113 6.4)."""
        # Only what was begun for nothing: no limit on open streams holds it (CVE-2023-44487). By a
        # reset clients of etcd end a watch, too, and a single renewal of a lease.
        if not (call.is_answered or _has_had_message(call)):
            self._abuse.count_reset(now)
        self.gone(call)

    def gone(self, call: Context) -> None:
        """Note that the client has given up a stream, or is gone itself."""
        self.by_id.pop(call.stream_id, None)
        call.stream_state = move_stream(call.stream_state, StreamInput.RECV_RESET)
        self._sender.drop(call)
        self._call_handler.cancel(call)

    # What brings no call forward.

    def count_useless(self, now: float) -> None:
        """Count a frame that brings no call forward; raise a fault if there are too many."""
        self._abuse.count_useless(now, self.begun + self._sender.data_frames)


def _has_had_message(call: Context) -> bool:
    """Tell whether a call that may get many messages has got one."""
    route = call.head.route
    return route is not None and route.response_streaming and call.stream_state >= _RESPONDING
