"""
The states of a call: of its stream, and of its handler.

Both are tables. What is not in one is a fault of ours, never of a peer: whoever makes a move has
checked that the peer may bring it about (RFC 9113 5.1).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class IllegalMoveError(RuntimeError):
    """A call was to go where no way leads from its state: a bug."""


class StreamState(IntEnum):
    """
    How far both sides of a stream are.

    The names are those of RFC 9113 5.1, and what becomes of the response:

                       nothing of it    its headers and    its outcome is decided; it ends
                       was sent         maybe messages     once the window lets its data go
        client sends   OPEN             OPEN_RESPONDING    OPEN_ENDING
        client ended   HALF_CLOSED      HALF_RESPONDING    HALF_ENDING         CLOSED

    "Half-closed (local)" does not exist here: with our end goes a RST_STREAM if the client has
    not ended (RFC 9113 8.1). "Idle" is a number above the connection's last stream.

    The numbers make each question that is asked often one comparison: from ``OPEN_RESPONDING``
    on the response has begun, from ``OPEN_ENDING`` on its outcome is decided, and whatever is
    odd has been ended by the client, as far as we are concerned.
    """

    OPEN = 0
    HALF_CLOSED = 1
    OPEN_RESPONDING = 2
    HALF_RESPONDING = 3
    OPEN_ENDING = 4
    HALF_ENDING = 5
    CLOSED = 7

    @property
    def is_ended_by_client(self) -> bool:
        """Whether the client sends no more, or nothing that matters."""
        return self & 1 == 1


class StreamInput(IntEnum):
    """What moves a stream."""

    RECV_END = 0
    """END_STREAM of the client."""
    RECV_RESET = 1
    """RST_STREAM of the client, or the end of its connection."""
    SEND_HEADERS = 2
    """Our response headers, without END_STREAM."""
    QUEUE_END = 3
    """Our last block or flag, behind data that waits for a window."""
    SEND_END = 4
    """Our END_STREAM, with a RST_STREAM behind it if the client has not ended."""
    SEND_RESET = 5
    """Our RST_STREAM."""


class HandlerState(IntEnum):
    """
    What the handler of a call is doing.

    A handler that is done in the turn in which it was called stays ``IDLE``, which costs nothing.
    From ``ORPHANED`` on, the stream has ended before the handler: the call was cancelled.
    """

    IDLE = 0
    RUNNING = 1
    ENDED = 2
    ORPHANED = 3
    """The handler goes on without its stream."""
    CANCELLED = 4
    """The handler has ended after its stream."""


class HandlerInput(IntEnum):
    """What moves the handler of a call."""

    WAIT = 0
    """The handler has to wait, or was given a task."""
    LOSE_STREAM = 1
    """The stream was closed, and not by the handler."""
    END = 2
    """The handler has returned or raised."""


STREAM_MOVES: Final[dict[StreamState, dict[StreamInput, StreamState]]] = {
    # No QUEUE_END before headers: there is no data yet for the end to wait behind.
    StreamState.OPEN: {
        StreamInput.RECV_END: StreamState.HALF_CLOSED,
        StreamInput.RECV_RESET: StreamState.CLOSED,
        StreamInput.SEND_HEADERS: StreamState.OPEN_RESPONDING,
        StreamInput.SEND_END: StreamState.CLOSED,
        StreamInput.SEND_RESET: StreamState.CLOSED,
    },
    # RFC 9113 5.1, "half-closed (remote)": more DATA or HEADERS are a fault, and no move.
    StreamState.HALF_CLOSED: {
        StreamInput.RECV_RESET: StreamState.CLOSED,
        StreamInput.SEND_HEADERS: StreamState.HALF_RESPONDING,
        StreamInput.SEND_END: StreamState.CLOSED,
        StreamInput.SEND_RESET: StreamState.CLOSED,
    },
    StreamState.OPEN_RESPONDING: {
        StreamInput.RECV_END: StreamState.HALF_RESPONDING,
        StreamInput.RECV_RESET: StreamState.CLOSED,
        StreamInput.QUEUE_END: StreamState.OPEN_ENDING,
        StreamInput.SEND_END: StreamState.CLOSED,
        StreamInput.SEND_RESET: StreamState.CLOSED,
    },
    StreamState.HALF_RESPONDING: {
        StreamInput.RECV_RESET: StreamState.CLOSED,
        StreamInput.QUEUE_END: StreamState.HALF_ENDING,
        StreamInput.SEND_END: StreamState.CLOSED,
        StreamInput.SEND_RESET: StreamState.CLOSED,
    },
    StreamState.OPEN_ENDING: {
        StreamInput.RECV_END: StreamState.HALF_ENDING,
        StreamInput.RECV_RESET: StreamState.CLOSED,
        StreamInput.SEND_END: StreamState.CLOSED,
        StreamInput.SEND_RESET: StreamState.CLOSED,
    },
    StreamState.HALF_ENDING: {
        StreamInput.RECV_RESET: StreamState.CLOSED,
        StreamInput.SEND_END: StreamState.CLOSED,
        StreamInput.SEND_RESET: StreamState.CLOSED,
    },
    # RFC 9113 5.1: frames may still come; they are judged by their number, the call is gone.
    StreamState.CLOSED: {},
}

HANDLER_MOVES: Final[dict[HandlerState, dict[HandlerInput, HandlerState]]] = {
    HandlerState.IDLE: {HandlerInput.WAIT: HandlerState.RUNNING},
    HandlerState.RUNNING: {
        HandlerInput.LOSE_STREAM: HandlerState.ORPHANED,
        HandlerInput.END: HandlerState.ENDED,
    },
    HandlerState.ENDED: {},
    HandlerState.ORPHANED: {HandlerInput.END: HandlerState.CANCELLED},
    HandlerState.CANCELLED: {},
}

# The same by number: a tuple in a tuple is found in half the time. There is no state 6.
_STREAM_TABLE: Final[tuple[tuple[StreamState | None, ...], ...]] = tuple(
    tuple(moves.get(given) for given in StreamInput)
    for moves in (
        STREAM_MOVES[StreamState(number)] if number != 6 else {}
        for number in range(StreamState.CLOSED + 1)
    )
)
_HANDLER_TABLE: Final[tuple[tuple[HandlerState | None, ...], ...]] = tuple(
    tuple(HANDLER_MOVES[state].get(given) for given in HandlerInput) for state in HandlerState
)


def move_stream(state: StreamState, given: StreamInput) -> StreamState:
    """
    Return the state that follows.

    Raises:
        IllegalMoveError: The input is not allowed in this state: a bug.

    """
    following = _STREAM_TABLE[state][given]
    if following is None:
        raise IllegalMoveError(f"stream: {given.name} in {state.name}")
    return following


def move_handler(state: HandlerState, given: HandlerInput) -> HandlerState:
    """
    Return the state that follows.

    Raises:
        IllegalMoveError: The input is not allowed in this state: a bug.

    """
    following = _HANDLER_TABLE[state][given]
    if following is None:
        raise IllegalMoveError(f"handler: {given.name} in {state.name}")
    return following
