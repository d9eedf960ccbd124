"""A table of moves allows what it names, and nothing else."""

from __future__ import annotations

from enum import Enum, IntEnum

import pytest

from etcdpy.states import IllegalMoveError, Moves


class Door(Enum):
    OPEN = 1
    CLOSED = 2


class Done(IntEnum):
    PULL = 0
    SHUT = 1


DOOR = Moves({(Door.OPEN, Done.SHUT): Door.CLOSED, (Door.CLOSED, Done.PULL): Door.OPEN})


def test_a_legal_move_leads_where_the_table_says() -> None:
    assert DOOR.after(Door.OPEN, Done.SHUT) is Door.CLOSED
    assert DOOR.after(Door.CLOSED, Done.PULL) is Door.OPEN


@pytest.mark.parametrize(("state", "given"), [(Door.OPEN, Done.PULL), (Door.CLOSED, Done.SHUT)])
def test_any_other_is_refused_by_name(state: Door, given: Done) -> None:
    with pytest.raises(IllegalMoveError, match=f"{given.name} in {state.name}"):
        DOOR.after(state, given)
