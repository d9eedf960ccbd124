"""Random tokens are known until they are not used for long, or dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from etcdpy.auth.identity import Identity
from etcdpy.auth.simple_tokens import SimpleTokens
from etcdpy.testing import MovableClock

ALICE, BOB = Identity("alice", None), Identity("bob", None)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def tokens(clock: MovableClock) -> Iterator[SimpleTokens]:
    tokens = SimpleTokens(5, clock)
    yield tokens
    tokens.close()


async def test_token_is_sixteen_letters_and_a_growing_number(tokens: SimpleTokens) -> None:
    made = [tokens.assign("alice", 1) for _ in range(20)]
    assert all(re.fullmatch(r"[a-zA-Z]{16}\.[0-9]+", token) for token in made)
    assert [int(token.partition(".")[2]) for token in made] == list(range(1, 21))
    assert len({token.partition(".")[0] for token in made}) == 20


async def test_each_token_stands_for_its_user_at_any_revision(tokens: SimpleTokens) -> None:
    of_alice, again, of_bob = (tokens.assign(user, 7) for user in ("alice", "alice", "bob"))
    assert of_alice != again
    assert tokens.identify(of_alice) == tokens.identify(again) == ALICE
    assert tokens.identify(of_bob) == BOB


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.b.c", "abcdefghijklmnop.1", "abcdefghijklmnop.99999999999999999999", "x" * 10**6],
)
async def test_what_was_not_handed_out_is_not_valid(tokens: SimpleTokens, text: str) -> None:
    tokens.assign("alice", 1)
    assert tokens.identify(text) is None


async def test_letters_of_one_with_the_number_of_another_are_no_token(
    tokens: SimpleTokens,
) -> None:
    first, second = tokens.assign("alice", 1), tokens.assign("alice", 1)
    assert tokens.identify(first.partition(".")[0] + "." + second.partition(".")[2]) is None


async def test_unused_token_ends_within_a_second_of_its_time_to_live(
    tokens: SimpleTokens, clock: MovableClock
) -> None:
    await clock.advance(0.25)
    first = tokens.assign("alice", 1)
    await clock.advance(0.5)
    second = tokens.assign("alice", 1)
    await clock.advance(5.45)
    assert len(tokens) == 2
    await clock.advance(0.1)
    assert tokens.identify(first) is tokens.identify(second) is None
    assert len(tokens) == 0


async def test_each_use_puts_the_end_off(tokens: SimpleTokens, clock: MovableClock) -> None:
    token = tokens.assign("alice", 1)
    for _ in range(20):
        await clock.advance(4.9)
        assert tokens.identify(token) == ALICE
    await clock.advance(5)
    assert tokens.identify(token) == ALICE
    await clock.advance(6.01)
    assert tokens.identify(token) is None


async def test_use_of_one_does_not_keep_another(tokens: SimpleTokens, clock: MovableClock) -> None:
    used, unused = tokens.assign("alice", 1), tokens.assign("alice", 1)
    await clock.advance(3)
    tokens.identify(used)
    await clock.advance(3.01)
    assert tokens.identify(used) == ALICE
    assert tokens.identify(unused) is None


async def test_time_to_live_of_0_is_five_minutes(clock: MovableClock) -> None:
    tokens = SimpleTokens(0, clock)
    token = tokens.assign("alice", 1)
    await clock.advance(299)
    assert tokens.identify(token) == ALICE
    await clock.advance(301.1)
    assert tokens.identify(token) is None


async def test_clock_is_left_alone_while_there_are_no_tokens(
    tokens: SimpleTokens, clock: MovableClock
) -> None:
    tokens.assign("alice", 1)
    await clock.advance(10)
    assert clock._next_moment() is None
    later = tokens.assign("alice", 1)
    await clock.advance(4)
    assert tokens.identify(later) == ALICE
    await clock.advance(6.1)
    assert tokens.identify(later) is None


async def test_dropped_user_has_no_token_until_the_next_login(
    tokens: SimpleTokens, clock: MovableClock
) -> None:
    old, of_bob = tokens.assign("alice", 1), tokens.assign("bob", 1)
    tokens.drop_user("alice")
    tokens.drop_user("nobody")
    assert tokens.identify(old) is None
    new = tokens.assign("alice", 1)
    assert tokens.identify(old) is None
    assert tokens.identify(new) == ALICE
    assert tokens.identify(of_bob) == BOB
    # However often the dead one is tried, it goes.
    for _ in range(6):
        await clock.advance(1)
        assert [tokens.identify(token) for token in (old, new, of_bob)] == [None, ALICE, BOB]
    await clock.advance(0.1)
    assert len(tokens) == 2


async def test_all_are_dropped_at_once(tokens: SimpleTokens, clock: MovableClock) -> None:
    made = [tokens.assign(user, 1) for user in ("alice", "bob")]
    tokens.drop_all()
    assert [tokens.identify(token) for token in made] == [None, None]
    assert len(tokens) == 0
    assert tokens.identify(tokens.assign("alice", 1)) == ALICE
    await clock.advance(6.1)
    assert len(tokens) == 0


async def test_full_house_forgets_who_was_not_there_for_long(clock: MovableClock) -> None:
    tokens = SimpleTokens(300, clock, most=10)
    used = tokens.assign("alice", 1)
    for _ in range(100):
        await clock.advance(1)
        assert tokens.identify(used) == ALICE
        last = tokens.assign("bob", 1)
        assert len(tokens) <= 10
    assert tokens.identify(used) == ALICE
    assert tokens.identify(last) == BOB


async def test_full_house_makes_room_even_if_all_are_in_use(clock: MovableClock) -> None:
    tokens = SimpleTokens(300, clock, most=200)
    made = [tokens.assign("alice", 1) for _ in range(200)]
    await clock.advance(2)
    assert all(map(tokens.identify, made))
    last = tokens.assign("bob", 1)
    assert tokens.identify(last) == BOB
    assert sum(tokens.identify(token) is not None for token in made) == 199
