"""Small objects come from the C library while there are suddenly many, and only then."""

from __future__ import annotations

from etcdpy.memory import Account, Budget
from etcdpy.server.small_objects import GLANCES, GROWN, GROWS, HELD, USUAL_LOOKS, Source

MIB = 1 << 20


class World:
    """A process whose size is as it is set, and the allocators of which it has one at a time."""

    def __init__(self, *, has_choice: bool = True, is_ours: bool = True) -> None:
        self.size = 40 * MIB
        self.found = 0
        self.has_choice = has_choice
        self.is_ours = is_ours
        self.uses: list[str] = []
        self.budget = Budget()
        self.account = Account(self.budget)
        self.source = Source(self.budget, self._find, lambda: self.size)
        self.look(1)

    def _find(self) -> World | None:
        self.found += 1
        return self if self.has_choice else None

    def use_library(self) -> bool:
        if self.is_ours:
            self.uses.append("library")
        return self.is_ours

    def use_arenas(self) -> None:
        self.uses.append("arenas")

    def look(self, number: int) -> None:
        for _ in range(number):
            self.budget.look()


def test_they_come_from_arenas_as_long_as_little_is_held() -> None:
    world = World()
    world.account.add(HELD // 2)
    world.size += GROWN // 2
    world.look(GLANCES)
    assert (world.uses, world.found, world.source.is_library) == ([], 0, False)


def test_they_come_from_the_library_at_once_when_clients_have_much_held() -> None:
    world = World()
    for _ in range(4):
        world.account.add(HELD)
    assert world.uses == ["library"]
    assert world.source.is_library
    world.look(2)
    world.account.give(3 * HELD)
    world.look(1)
    assert world.uses == ["library", "arenas"]
    assert world.found == 1


def test_they_come_from_the_library_while_the_process_becomes_larger() -> None:
    world = World()
    for _ in range(GLANCES):
        world.size += GROWN
        world.look(1)
    assert world.uses == ["library"]
    world.look(GLANCES + 1)
    assert world.uses == ["library", "arenas"]


def test_they_go_on_doing_so_while_it_grows_more_slowly() -> None:
    world = World()
    for _ in range(3 * GLANCES):
        world.size += GROWS // GLANCES
        world.look(1)
    assert world.uses == []
    world.size += GROWN
    world.look(1)
    for _ in range(3 * GLANCES):
        world.size += GROWS // GLANCES
        world.look(1)
    assert world.uses == ["library"]
    world.look(GLANCES + 1)
    assert world.uses == ["library", "arenas"]


def test_they_do_so_between_two_looks_when_much_is_written() -> None:
    world = World()
    world.size += GROWN - 1
    world.budget.glance()
    assert world.uses == []
    world.size += 1
    world.budget.glance()
    world.budget.glance()
    assert world.uses == ["library"]


def test_large_process_becomes_larger_by_a_64th() -> None:
    world = World()
    world.size = 1600 * MIB
    world.look(GLANCES + 1)
    assert world.uses == ["library", "arenas"]
    world.size += 24 * MIB
    world.look(1)
    assert world.uses == ["library", "arenas"]
    world.size += MIB
    world.look(1)
    assert world.uses == ["library", "arenas", "library"]


def test_what_is_held_all_the_time_is_usual() -> None:
    world = World()
    world.account.add(100 * MIB)
    world.look(10 * USUAL_LOOKS)
    assert world.uses == ["library", "arenas"]
    world.account.add(HELD // 2)
    assert not world.source.is_library
    world.account.add(HELD)
    assert world.source.is_library


def test_what_was_usual_is_much_when_it_comes_again() -> None:
    world = World()
    world.account.add(100 * MIB)
    world.look(10 * USUAL_LOOKS)
    world.account.give(100 * MIB)
    world.look(1)
    world.account.add(HELD + 1)
    assert world.source.is_library


def test_process_without_a_choice_is_asked_once() -> None:
    world = World(has_choice=False)
    for _ in range(4):
        world.account.add(HELD + 1)
        world.look(1)
    assert (world.found, world.uses, world.source.is_library) == (1, [], False)


def test_hand_of_somebody_else_is_left_alone_until_it_is_gone() -> None:
    world = World(is_ours=False)
    world.account.add(2 * HELD)
    world.look(2)
    assert not world.source.is_library
    world.is_ours = True
    world.look(1)
    assert (world.uses, world.source.is_library) == (["library"], True)
