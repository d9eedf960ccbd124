"""Calls that check each of their moves, so that tests find those that no table has."""

from __future__ import annotations

from typing import Any

from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.states import (
    HANDLER_MOVES,
    STREAM_MOVES,
    HandlerState,
    IllegalMoveError,
    StreamState,
)
from etcdpy.version import IS_COMPILED

_STREAM: Any = Call.__dict__["stream_state"]
_HANDLER: Any = Call.__dict__["handler_state"]


class CheckedContext(Context):
    """
    A call whose states can only be set to what follows in their tables.

    The fast paths assign states without a look at the tables; here they are found out.
    """

    __slots__ = ()

    @property
    def stream_state(self) -> StreamState:
        state: StreamState = _STREAM.__get__(self)
        return state

    @stream_state.setter
    def stream_state(self, state: StreamState) -> None:
        if hasattr(self, "tick") and state not in STREAM_MOVES[self.stream_state].values():
            raise IllegalMoveError(f"stream: {self.stream_state.name} to {state.name}")
        _STREAM.__set__(self, state)

    @property
    def handler_state(self) -> HandlerState:
        state: HandlerState = _HANDLER.__get__(self)
        return state

    @handler_state.setter
    def handler_state(self, state: HandlerState) -> None:
        if hasattr(self, "tick") and state not in HANDLER_MOVES[self.handler_state].values():
            raise IllegalMoveError(f"handler: {self.handler_state.name} to {state.name}")
        _HANDLER.__set__(self, state)


#: What tests have calls be: a compiled class cannot be inherited from here.
CALL_TYPE: type[Context] = Context if IS_COMPILED else CheckedContext
