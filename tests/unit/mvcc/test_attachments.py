"""A key hangs on one lease at most, and a lease knows its keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from etcdpy.auth.permissions import KeySet
from etcdpy.mvcc.attachments import ANY, FEW, MOST_OUTSIDE, MOST_SETS, Attachments


def test_nothing_is_attached_at_first() -> None:
    attachments = Attachments()
    assert not attachments.leases
    assert attachments.lease_of(b"a") == 0
    assert set(attachments.on(7)) == set()


def test_key_moves_from_lease_to_lease() -> None:
    attachments = Attachments()
    attachments.attach(b"a", 7)
    attachments.attach(b"b", 7)
    attachments.attach(b"a", 8)
    assert attachments.lease_of(b"a") == 8
    assert set(attachments.on(7)) == {b"b"}
    assert set(attachments.on(8)) == {b"a"}


def test_lease_without_keys_is_forgotten() -> None:
    attachments = Attachments()
    attachments.attach(b"a", 7)
    attachments.detach(b"a")
    attachments.detach(b"a")
    assert not attachments.leases
    assert set(attachments.on(7)) == set()


def test_many_keys_are_taken_off_whatever_leases_they_hang_on() -> None:
    attachments = Attachments()
    for key, lease in ((b"a", 7), (b"b", 8), (b"c", 7), (b"e", 8)):
        attachments.attach(key, lease)
    attachments.detach_all([b"a", b"b", b"c", b"d"])
    assert attachments.leases == {b"e": 8}
    assert set(attachments.on(7)) == set()
    assert set(attachments.on(8)) == {b"e"}


class Counted(KeySet):
    """Keys that count how often they are asked for."""

    def __init__(self, *prefixes: bytes) -> None:
        super().__init__([(prefix, prefix + b"\xff") for prefix in prefixes])
        self.asked = 0

    def __contains__(self, key: bytes) -> bool:
        self.asked += 1
        return super().__contains__(key)

    def lacking(self, keys: Collection[bytes]) -> Iterator[bytes]:
        self.asked += len(keys)
        return super().lacking(keys)


#: More than are looked at each time, half of them of each prefix.
KEYS = [b"%c%d" % (97 + 2 * (i % 2), i) for i in range(4 * FEW)]


def full() -> Attachments:
    attachments = Attachments()
    for key in KEYS:
        attachments.attach(key, 7)
    return attachments


class TestKeysInASet:
    def test_are_those_of_the_lease_or_of_any(self) -> None:
        attachments = Attachments()
        attachments.attach(b"a", 7)
        attachments.attach(b"b", 8)
        assert attachments.are_in(Counted(b"a"), 7)
        assert not attachments.are_in(Counted(b"a"), 8)
        assert not attachments.are_in(Counted(b"a"), ANY)
        assert attachments.are_in(Counted(b"a", b"b"), ANY)
        assert attachments.are_in(Counted(), 9)

    @pytest.mark.parametrize("lease", [7, ANY])
    def test_that_are_many_are_looked_at_once(self, lease: int) -> None:
        attachments, allowed = full(), Counted(b"a", b"c")
        assert attachments.are_in(allowed, lease)
        assert allowed.asked == len(KEYS)
        assert all(attachments.are_in(allowed, lease) for _ in range(100))
        attachments.attach(b"a-new", 7)
        assert attachments.are_in(allowed, lease)
        assert allowed.asked == len(KEYS) + 1

    @pytest.mark.parametrize("lease", [7, ANY])
    def test_are_not_all_while_one_is_there_that_is_not(self, lease: int) -> None:
        attachments, allowed = full(), Counted(b"a", b"c")
        assert attachments.are_in(allowed, lease)
        attachments.attach(b"d", 7)
        assert not attachments.are_in(allowed, lease)
        attachments.attach(b"d", 0)
        assert attachments.are_in(allowed, lease)
        assert allowed.asked == len(KEYS) + 1

    def test_that_move_to_another_lease_count_there(self) -> None:
        attachments, allowed = full(), Counted(b"a", b"c")
        attachments.attach(b"d", 7)
        for i in range(2 * FEW):
            attachments.attach(b"a-other%d" % i, 8)
        assert attachments.are_in(allowed, 8)
        attachments.attach(b"d", 8)
        assert attachments.are_in(allowed, 7)
        assert not attachments.are_in(allowed, 8)
        assert not attachments.are_in(allowed, ANY)

    def test_that_are_many_outside_are_found_again_when_those_known_have_gone(self) -> None:
        attachments, allowed = full(), Counted(b"c")
        others = [b"d%d" % i for i in range(2 * MOST_OUTSIDE)]
        for key in others:
            attachments.attach(key, 7)
        assert not attachments.are_in(allowed, 7)
        attachments.detach_all([key for key in KEYS if key.startswith(b"a")])
        attachments.detach_all(others[:-1])
        assert not attachments.are_in(allowed, 7)
        attachments.detach_all(others)
        assert attachments.are_in(allowed, 7)

    def test_of_a_lease_that_was_revoked_are_forgotten(self) -> None:
        attachments, allowed = full(), Counted(b"a", b"c")
        assert attachments.are_in(allowed, 7)
        attachments.detach_all(KEYS)
        assert attachments.are_in(Counted(), 7)
        assert not attachments._inside

    def test_are_remembered_for_those_who_asked_last(self) -> None:
        attachments, first = full(), Counted(b"a", b"c")
        others = [Counted(b"a", b"c") for _ in range(MOST_SETS)]
        for allowed in (first, *others[:-1], first, others[-1], first):
            assert attachments.are_in(allowed, 7)
        assert first.asked == len(KEYS)
        assert attachments.are_in(others[0], 7)
        assert others[0].asked == 2 * len(KEYS)
