"""
States as tables: the moves that there are, and an error for any other.

A door, for an example::

    DOOR = Moves({(OPEN, SHUT): CLOSED, (CLOSED, PULL): OPEN})

    DOOR.after(CLOSED, PULL)   OPEN
    DOOR.after(OPEN, PULL)     IllegalMoveError
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

State = TypeVar("State", bound=Enum)
Input = TypeVar("Input", bound=Enum)


class IllegalMoveError(Exception):
    """Something happened that cannot in this state: a mistake of ours, never of a peer's."""


class Moves(Generic[State, Input]):
    """
    The legal moves of one kind of thing.

    Args:
        moves: The state that an input leads to, by the state before and the input.

    """

    __slots__ = ("_moves",)

    def __init__(self, moves: Mapping[tuple[State, Input], State]) -> None:
        self._moves = moves

    def after(self, state: State, given: Input) -> State:
        """
        Return the state that an input leads to.

        Raises:
            IllegalMoveError: If there is no such move.

        """
        try:
            return self._moves[state, given]
        except KeyError:
            raise IllegalMoveError(f"{given.name} in {state.name}") from None
