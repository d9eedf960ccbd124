"""A key hangs on one lease at most, and a lease knows its keys."""

from __future__ import annotations

from etcdpy.mvcc.attachments import Attachments


def test_nothing_is_attached_at_first() -> None:
    attachments = Attachments()
    assert not attachments.leases
    assert attachments.lease_of(b"a") == 0
    assert attachments.keys_of(7) == set()


def test_key_moves_from_lease_to_lease() -> None:
    attachments = Attachments()
    attachments.attach(b"a", 7)
    attachments.attach(b"b", 7)
    attachments.attach(b"a", 8)
    assert attachments.lease_of(b"a") == 8
    assert attachments.keys_of(7) == {b"b"}
    assert attachments.keys_of(8) == {b"a"}


def test_lease_without_keys_is_forgotten() -> None:
    attachments = Attachments()
    attachments.attach(b"a", 7)
    attachments.detach(b"a")
    attachments.detach(b"a")
    assert not attachments.leases
    assert attachments.keys_of(7) == set()


def test_keys_handed_out_are_a_copy() -> None:
    attachments = Attachments()
    attachments.attach(b"a", 7)
    attachments.keys_of(7).clear()
    assert attachments.keys_of(7) == {b"a"}
