"""What a user may read and write: permissions put together, and asked for."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.auth.permissions import KeySet, RoleKeys, is_valid, rights_of
from etcdpy.pb.auth_pb2 import Permission

READ, WRITE, READWRITE = Permission.READ, Permission.WRITE, Permission.READWRITE


def keys(*ranges: tuple[bytes, bytes | None]) -> KeySet:
    return KeySet(ranges)


def point(key: bytes) -> tuple[bytes, bytes]:
    return key, key + b"\0"


@pytest.mark.parametrize(
    ("key", "is_in"), [(b"a", False), (b"b", True), (b"b\0", True), (b"c", True), (b"d", False)]
)
def test_range_has_its_first_key_and_not_its_end(key: bytes, is_in: bool) -> None:
    assert (key in keys((b"b", b"d"))) is is_in


def test_set_without_ranges_has_no_key() -> None:
    assert b"a" not in keys()
    assert not keys().covers(b"a", b"")


def test_range_that_is_empty_or_turned_round_has_no_key() -> None:
    assert b"b" not in keys((b"b", b"b"))
    assert b"b" not in keys((b"c", b"a"))


@pytest.mark.parametrize(
    ("ranges", "request_", "is_covered"),
    [
        # A permission for one key is for that key alone.
        ([point(b"k")], (b"k", b""), True),
        ([point(b"k")], (b"k", b"k\0"), True),
        ([point(b"k")], (b"k", b"l"), False),
        # Those that touch, or overlap, are one.
        ([(b"a", b"c"), (b"c", b"e")], (b"a", b"e"), True),
        ([(b"c", b"e"), (b"a", b"d")], (b"a", b"e"), True),
        ([(b"a", b"c"), (b"d", b"e")], (b"a", b"e"), False),
        ([point(b"k"), (b"k\0", b"m")], (b"k", b"m"), True),
        ([(b"a", b"z"), (b"b", b"c")], (b"b", b"y"), True),
        # One that is open covers what is open, and no other does.
        ([(b"a", None)], (b"b", b"\0"), True),
        ([(b"a", None)], (b"b", b"z"), True),
        ([(b"a", None)], (b"\0", b"\0"), False),
        ([(b"foo", b"fop")], (b"foo", b"fop"), True),
        ([(b"foo", b"fop")], (b"foo", b"\0"), False),
        ([(b"a", b"c"), (b"b", None)], (b"a", b"\0"), True),
        # Of a range without keys the first one is asked for.
        ([(b"b", b"d")], (b"c", b"b"), True),
        ([(b"b", b"d")], (b"c", b"c"), True),
        ([(b"b", b"d")], (b"d", b"b"), False),
        ([(b"b", b"d")], (b"a", b"a"), False),
    ],
)
def test_range_is_covered_if_all_its_keys_are(
    ranges: list[tuple[bytes, bytes | None]], request_: tuple[bytes, bytes], is_covered: bool
) -> None:
    assert KeySet(ranges).covers(*request_) is is_covered


def test_random_ranges_are_covered_as_their_keys_are() -> None:
    universe = [bytes([letter]) for letter in b"abcdefghij"]
    for seed in range(300):
        random = Random(seed)
        ranges = [tuple(sorted(random.sample(universe, 2))) for _ in range(random.randrange(5))]
        allowed = KeySet((low, high) for low, high in ranges)
        members = {key for key in universe for low, high in ranges if low <= key < high}
        assert {key for key in universe if key in allowed} == members, seed
        for low in universe:
            for high in universe:
                if low < high:
                    wanted = {key for key in universe if low <= key < high}
                    assert allowed.covers(low, high) is (wanted <= members), (seed, low, high)


def test_random_ranges_are_added_as_if_they_had_been_there() -> None:
    universe = [bytes([letter]) for letter in b"abcdefghij"]
    for seed in range(300):
        random = Random(seed)
        ranges: list[tuple[bytes, bytes | None]] = []
        grown, parts = KeySet(()), [KeySet(()), KeySet(())]
        for number in range(random.randrange(6)):
            low, high = random.sample(universe, 2)
            ranges.append((low, None if high == b"j" else high))
            before, has_it = list(grown.ranges()), grown.with_range(*ranges[-1]) is grown
            grown = grown.with_range(*ranges[-1])
            # One that is there already makes no other set of it.
            assert has_it == (list(grown.ranges()) == before), seed
            parts[number % 2] = parts[number % 2].with_range(*ranges[-1])
        wanted = list(KeySet(ranges).ranges())
        assert list(grown.ranges()) == wanted, seed
        assert list(parts[0].joined([parts[1]]).ranges()) == wanted, seed
        members = set(universe) - set(grown.lacking(universe))
        assert members == {key for key in universe if key in grown}, seed


def test_role_tells_whether_it_permits_more_than_before() -> None:
    role = RoleKeys([Permission(permType=READ, key=b"a", range_end=b"c")])
    reads = role.reads
    assert not role.grant(Permission(permType=READ, key=b"b"))
    assert role.reads is reads
    assert role.grant(Permission(permType=READWRITE, key=b"b"))
    assert role.reads is reads
    assert b"b" in role.writes
    assert role.grant(Permission(permType=READ, key=b"c"))
    assert role.reads.covers(b"a", b"c\0")


def test_rights_of_all_roles_are_put_together() -> None:
    rights = rights_of(
        ["one", "two", "three"],
        [
            RoleKeys([Permission(permType=READ, key=b"a", range_end=b"c")]),
            RoleKeys(
                [
                    Permission(permType=READWRITE, key=b"c", range_end=b"e"),
                    Permission(permType=WRITE, key=b"x"),
                ]
            ),
        ],
    )
    assert not rights.is_root
    assert rights.reads.covers(b"a", b"e")
    assert not rights.writes.covers(b"a", b"e")
    assert rights.writes.covers(b"c", b"e")
    assert b"x" in rights.writes
    assert b"x" not in rights.reads


def test_who_was_granted_root_may_do_everything_whether_there_is_such_a_role_or_not() -> None:
    assert rights_of(["root"], []).is_root


def test_permission_of_a_kind_that_there_is_not_permits_nothing() -> None:
    rights = rights_of(["one"], [RoleKeys([Permission(permType=7, key=b"a")])])  # type: ignore[arg-type]
    assert b"a" not in rights.reads
    assert b"a" not in rights.writes


@pytest.mark.parametrize(
    ("key", "range_end", "valid"),
    [
        (b"a", b"", True),
        (b"a", b"b", True),
        (b"a", b"\0", True),
        (b"\0", b"\0", True),
        (b"", b"", False),
        (b"", b"\0", False),
        (b"a", b"a", False),
        (b"b", b"a", False),
    ],
)
def test_permission_is_for_some_keys_or_not_valid(
    key: bytes, range_end: bytes, valid: bool
) -> None:
    assert is_valid(Permission(key=key, range_end=range_end)) is valid
