"""Input is worked through in turns, each of which ends; what is little and rare waits for none."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.transport.aio import turns as turns_module
from etcdpy.transport.aio.turns import FEW_FRAMES, Turns, is_brief
from etcdpy.transport.http2.frames import DATA, MAX_FRAME_SIZE, frame


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have turns taken by whoever waits, however busy the machine is, but where a test says so."""
    monkeypatch.setattr(turns_module, "TOGETHER", 1000.0)


class Busy:
    """A connection with so many turns' worth of work."""

    def __init__(self, name: str, work: int, done: list[str]) -> None:
        self.name = name
        self.work = work
        self.done = done

    def take_turn(self) -> bool:
        self.work -= 1
        self.done.append(self.name)
        return self.work > 0

    def write_more(self) -> None:
        self.work -= 1
        self.done.append(self.name)

    def flush(self) -> None:
        self.write_more()


class Watch:
    """A stopwatch that is moved on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


async def ended(turns: Turns, done: list[str], work: int) -> None:
    for _ in range(work):
        if len(done) < work:
            await asyncio.sleep(0)
    assert turns.waiting == 0


async def test_those_with_more_to_do_take_turns_until_all_is_done() -> None:
    turns, done = Turns(), list[str]()
    for name, work in (("greedy", 4), ("modest", 1), ("other", 2)):
        turns.wait(Busy(name, work, done))
    await ended(turns, done, 7)
    assert done == ["greedy", "modest", "other", "greedy", "other", "greedy", "greedy"]


async def test_one_that_waits_twice_has_one_turn() -> None:
    turns, done = Turns(), list[str]()
    one = Busy("one", 1, done)
    turns.wait(one)
    turns.wait(one)
    assert turns.waiting == 1
    await asyncio.sleep(0)
    assert done == ["one"]


async def test_the_loop_does_something_else_when_they_have_taken_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns_module, "stopwatch", Watch())
    monkeypatch.setattr(turns_module, "TOGETHER", 3.0)
    turns, done = Turns(), list[str]()
    turns.wait(Busy("busy", 7, done))
    seen = []
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append(len(done))
    assert seen == [3, 6, 7]


async def test_handlers_that_are_begun_count_as_if_they_had_taken_their_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Beginning(Busy):
        def take_turn(self) -> bool:
            turns.charge()
            return super().take_turn()

    monkeypatch.setattr(turns_module, "stopwatch", Watch())
    monkeypatch.setattr(turns_module, "TOGETHER", 4.0)
    monkeypatch.setattr(turns_module, "HANDLER", 1.0)
    turns, done = Turns(), list[str]()
    turns.wait(Beginning("busy", 5, done))
    seen = []
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append(len(done))
    assert seen == [2, 4, 5]


async def test_what_arrives_while_others_wait_is_not_worked_through_at_once() -> None:
    turns = Turns()
    assert turns.reopen(10.0)
    assert turns.open_until > 10.0
    turns.wait(Busy("busy", 1, []))
    assert turns.open_until < 10.0
    assert not turns.reopen(10.0)
    await asyncio.sleep(0)
    assert turns.reopen(10.0)


async def test_one_turn_of_the_loop_is_not_spent_on_input_alone() -> None:
    turns = Turns()
    assert turns.reopen(10.0)
    assert not turns.reopen(20.0)
    await asyncio.sleep(0)
    assert turns.reopen(20.0)


@pytest.fixture
def turn_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn takes a second, there are two in a turn of the loop."""
    monkeypatch.setattr(turns_module, "stopwatch", Watch())
    monkeypatch.setattr(turns_module, "TOGETHER", 2.0)
    monkeypatch.setattr(turns_module, "WRITING", 2.0)
    monkeypatch.setattr(turns_module, "AHEAD", 5.0)


async def test_who_has_had_little_goes_before_those_who_wait(
    monkeypatch: pytest.MonkeyPatch, turn_of_a_second: None
) -> None:
    monkeypatch.setattr(turns_module, "FRESH", 2.0)
    turns, done = Turns(), list[str]()
    for name in ("first", "second", "third"):
        turns.wait(Busy(name, 9, done))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    light = Busy("light", 1, done)
    for _ in range(3):
        light.work = 1
        turns.wait(light)
        await asyncio.sleep(0)
    before, after = done[:4], done[4:]
    assert before == ["first", "second", "third", "first"]
    # Two of its requests go first. It has had two seconds then, and the third one waits.
    assert after == ["light", "second", "light", "third", "first", "light"]


async def test_who_comes_again_and_again_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch, turn_of_a_second: None
) -> None:
    monkeypatch.setattr(turns_module, "FRESH", 1.0)
    turns, done = Turns(), list[str]()
    patient, pushing = Busy("patient", 9, done), Busy("pushing", 1, done)
    turns.wait(patient)
    for _ in range(6):
        pushing.work = 1
        turns.wait(pushing)
        await asyncio.sleep(0)
    assert done.count("patient") >= done.count("pushing") - 1


async def test_what_is_long_is_written_by_all_in_turns_and_not_by_all_in_one(
    turn_of_a_second: None,
) -> None:
    turns, done = Turns(), list[str]()
    for number in range(5):
        turns.wait_to_write(Busy(str(number), 1, done))
    seen = []
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append("".join(done))
    assert seen == ["01", "0123", "01234"]


async def test_what_a_crowd_has_to_write_is_written_in_several_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns_module, "stopwatch", Watch())
    monkeypatch.setattr(turns_module, "FLUSHING", 2.0)
    turns, done = Turns(), list[str]()
    for number in range(5):
        turns.wait_to_flush(Busy(str(number), 1, done))
    seen = []
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append("".join(done))
    assert seen == ["01", "0123", "01234"]


async def test_a_crowd_that_sends_little_at_a_time_does_not_keep_one_waiting(
    monkeypatch: pytest.MonkeyPatch, turn_of_a_second: None
) -> None:
    monkeypatch.setattr(turns_module, "FRESH", 50.0)
    monkeypatch.setattr(turns_module, "AHEAD", 1.0)
    turns, done = Turns(), list[str]()
    crowd = [Busy(f"crowd {number}", 1, done) for number in range(20)]
    patient = Busy("patient", 2, done)
    # It has had a turn, and has more to do.
    turns.wait(patient)
    for _ in range(50):
        for one in crowd:
            if not one.work:
                one.work = 1
            turns.wait(one)
        await asyncio.sleep(0)
    assert len(done) == 100
    # Each of the crowd may go on fifty times before it would have to wait itself.
    assert done.count("patient") == 2
    assert len(done) - done[::-1].index("patient") <= 2 * len(crowd)


async def test_one_turn_that_takes_very_long_is_not_owed_to_those_who_wait(
    monkeypatch: pytest.MonkeyPatch, turn_of_a_second: None
) -> None:
    watch = Watch()
    monkeypatch.setattr(turns_module, "stopwatch", watch)
    turns, done = Turns(), list[str]()

    class Slow(Busy):
        def take_turn(self) -> bool:
            if not self.done:
                watch.now += 1000.0
            return super().take_turn()

    turns.wait(Slow("slow", 500, done))
    await asyncio.sleep(0)
    turns.wait(Busy("new", 1, done))
    for _ in range(10):
        await asyncio.sleep(0)
    assert "new" in done


async def test_one_of_a_crowd_has_a_turn_for_each_time_it_sends() -> None:
    turns, done = Turns(), list[str]()
    crowd = [Busy(str(number), 1, done) for number in range(20)]
    heavy = Busy("heavy", 100, done)
    turns.wait(heavy)
    for _ in range(5):
        for one in crowd:
            one.work = 1
            turns.wait(one)
        for _ in range(200):
            await asyncio.sleep(0)
    assert turns.waiting == 0
    assert {done.count(one.name) for one in crowd} == {5}
    assert done.count("heavy") == 100


@pytest.mark.parametrize(("number", "seconds"), [(1, 0.0005), (200, 0.00025), (2000, 0.0001)])
async def test_turns_are_shorter_where_very_many_wait_for_one(number: int, seconds: float) -> None:
    turns = Turns()
    for _ in range(number):
        turns.wait(Busy("one", 1, []))
    await asyncio.sleep(0)
    assert turns.each == pytest.approx(seconds)


@pytest.mark.parametrize("size", [0, 9, 300, MAX_FRAME_SIZE])
def test_few_frames_are_brief_however_long_they_are(size: int) -> None:
    data = frame(DATA, 0, 1, bytes(size)) * FEW_FRAMES
    assert is_brief(data)
    assert is_brief(data[:-1])
    assert not is_brief(data + b"\0")


class Broken(Busy):
    """A connection whose turns fail."""

    def take_turn(self) -> bool:
        super().take_turn()
        raise RuntimeError(self.name)

    def write_more(self) -> None:
        super().write_more()
        raise RuntimeError(self.name)


async def test_one_whose_turn_fails_holds_nobody_up() -> None:
    turns, done, reported = Turns(), list[str](), list[str]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: reported.append(str(context["exception"]))
    )
    for connection in (Broken("broken", 1, done), Busy("other", 3, done)):
        turns.wait(connection)
        turns.wait_to_write(connection)
        turns.wait_to_flush(connection)
    # One of them at least has its turn in each of the loop's.
    for _ in range(20):
        await asyncio.sleep(0)
    assert (done.count("broken"), done.count("other"), turns.waiting) == (3, 5, 0)
    assert reported == ["broken"] * 3
