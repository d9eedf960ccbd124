"""Every state with every input, against lists that were written by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.states import (
    HANDLER_MOVES,
    STREAM_MOVES,
    HandlerInput,
    HandlerState,
    IllegalMoveError,
    StreamInput,
    StreamState,
    move_handler,
    move_stream,
)

from ..checked import CheckedContext

# From RFC 9113 5.1, and what a response goes through. A dot is no legal move.
#
#                      RECV_END         RECV_RESET SEND_HEADERS     QUEUE_END    SEND_END SEND_RESET
STREAMS = """
    OPEN               HALF_CLOSED      CLOSED     OPEN_RESPONDING  .            CLOSED   CLOSED
    HALF_CLOSED        .                CLOSED     HALF_RESPONDING  .            CLOSED   CLOSED
    OPEN_RESPONDING    HALF_RESPONDING  CLOSED     .                OPEN_ENDING  CLOSED   CLOSED
    HALF_RESPONDING    .                CLOSED     .                HALF_ENDING  CLOSED   CLOSED
    OPEN_ENDING        HALF_ENDING      CLOSED     .                .            CLOSED   CLOSED
    HALF_ENDING        .                CLOSED     .                .            CLOSED   CLOSED
    CLOSED             .                .          .                .            .        .
"""

#              WAIT      LOSE_STREAM  END
HANDLERS = """
    IDLE       RUNNING   .            .
    RUNNING    .         ORPHANED     ENDED
    ENDED      .         .            .
    ORPHANED   .         .            CANCELLED
    CANCELLED  .         .            .
"""


def read(text: str, states: Any, inputs: Any) -> dict[tuple[Any, Any], Any]:
    """Return what follows each state and input, None for what is not legal."""
    found = {}
    for line in text.strip().splitlines():
        name, *following = line.split()
        for given, after in zip(inputs, following, strict=True):
            found[states[name], given] = None if after == "." else states[after]
    return found


STREAM_CASES = read(STREAMS, StreamState, StreamInput)
HANDLER_CASES = read(HANDLERS, HandlerState, HandlerInput)


def test_lists_have_every_state_and_input() -> None:
    assert set(STREAM_CASES) == set(itertools.product(StreamState, StreamInput))
    assert set(HANDLER_CASES) == set(itertools.product(HandlerState, HandlerInput))
    assert set(STREAM_MOVES) == set(StreamState)
    assert set(HANDLER_MOVES) == set(HandlerState)


@pytest.mark.parametrize(("state", "given"), STREAM_CASES)
def test_stream_moves_as_listed(state: StreamState, given: StreamInput) -> None:
    after = STREAM_CASES[state, given]
    if after is None:
        with pytest.raises(IllegalMoveError, match=f"stream: {given.name} in {state.name}"):
            move_stream(state, given)
    else:
        assert move_stream(state, given) is after


@pytest.mark.parametrize(("state", "given"), HANDLER_CASES)
def test_handler_moves_as_listed(state: HandlerState, given: HandlerInput) -> None:
    after = HANDLER_CASES[state, given]
    if after is None:
        with pytest.raises(IllegalMoveError, match=f"handler: {given.name} in {state.name}"):
            move_handler(state, given)
    else:
        assert move_handler(state, given) is after


def test_numbers_answer_what_is_asked_often() -> None:
    begun = {state for state in StreamState if state >= StreamState.OPEN_RESPONDING}
    decided = {state for state in StreamState if state >= StreamState.OPEN_ENDING}
    ended = {state for state in StreamState if state & 1}
    cancelled = {state for state in HandlerState if state >= HandlerState.ORPHANED}
    assert begun == set(StreamState) - {StreamState.OPEN, StreamState.HALF_CLOSED}
    assert decided == {StreamState.OPEN_ENDING, StreamState.HALF_ENDING, StreamState.CLOSED}
    assert ended == {state for state in StreamState if state.is_ended_by_client}
    assert {state.name for state in ended} == {
        "HALF_CLOSED",
        "HALF_RESPONDING",
        "HALF_ENDING",
        "CLOSED",
    }
    assert cancelled == {HandlerState.ORPHANED, HandlerState.CANCELLED}


def after_stream(state: StreamState, *inputs: StreamInput) -> StreamState:
    for given in inputs:
        state = move_stream(state, given)
    return state


def test_moves_that_fast_paths_spell_out_are_those_of_the_tables() -> None:
    opened, half_closed = StreamState.OPEN, StreamState.HALF_CLOSED
    # Connection._read_frames, _on_data and _begin: the request is complete.
    assert after_stream(opened, StreamInput.RECV_END) is half_closed
    # Sender.reply: headers, the message, trailers.
    said = (StreamInput.SEND_HEADERS, StreamInput.SEND_END)
    assert after_stream(half_closed, *said) is StreamState.CLOSED
    # Dispatcher._waits and _ended.
    assert move_handler(HandlerState.IDLE, HandlerInput.WAIT) is HandlerState.RUNNING
    assert move_handler(HandlerState.RUNNING, HandlerInput.END) is HandlerState.ENDED


def test_checked_calls_refuse_what_no_table_has() -> None:
    call = CheckedContext(1, RequestHead(), None, StreamState.HALF_CLOSED)
    call.stream_state = StreamState.HALF_RESPONDING
    with pytest.raises(IllegalMoveError):
        call.stream_state = StreamState.OPEN
    with pytest.raises(IllegalMoveError):
        call.handler_state = HandlerState.ENDED
    assert call.stream_state is StreamState.HALF_RESPONDING
    assert call.handler_state is HandlerState.IDLE
