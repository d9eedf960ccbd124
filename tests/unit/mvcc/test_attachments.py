"""A key hangs on one lease at most, and a lease knows its keys."""

from __future__ import annotations

from etcdpy.mvcc.attachments import Attachments


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
