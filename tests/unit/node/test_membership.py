"""Who this server is, and what of it outlives a restart."""

from __future__ import annotations

from etcdpy.node.membership import Identity, Membership, start_up
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import Disk, FakeLog

FOUNDED_WITH = "http://127.0.0.1:2380"


def start(disk: Disk, peer_url: str = FOUNDED_WITH) -> tuple[FakeLog, Identity]:
    """Start on a disk, which keeps what that writes."""
    log = FakeLog(disk)
    identity = start_up(
        log,
        name="m1",
        peer_urls=[peer_url],
        token="etcd-cluster",
        client_urls=["http://127.0.0.1:2379"],
    )
    log.flush()
    log.settle()
    return log, identity


async def test_ids_are_decided_once_and_every_start_is_a_term() -> None:
    disk = Disk()
    assert not list(disk.items(Bucket.MEMBERS))
    _, first = start(disk)
    _, second = start(disk, "http://127.0.0.1:9999")
    assert len(list(disk.items(Bucket.MEMBERS))) == 1
    assert second.member_id == first.member_id
    assert second.cluster_id == first.cluster_id
    assert second.peer_urls == (FOUNDED_WITH,)
    assert (first.raft_term, second.raft_term) == (2, 3)


async def test_other_peer_urls_are_kept_and_change_no_id() -> None:
    disk = Disk()
    log, first = start(disk)
    membership = Membership(log, first)
    for urls in (["bad url", "a"], []):
        membership.update(urls)
        log.flush()
        log.settle()
        assert membership.identity.peer_urls == tuple(urls)
        _, again = start(disk)
        assert again.peer_urls == tuple(urls)
        assert again.member_id == first.member_id


async def test_a_member_is_stored_as_etcd_stores_it() -> None:
    log, identity = start(Disk())
    key = b"%016x" % identity.member_id
    assert log.disk.get(Bucket.MEMBERS, key) == (
        b'{"id":%d,"peerURLs":["http://127.0.0.1:2380"],"name":"m1",'
        b'"clientURLs":["http://127.0.0.1:2379"]}' % identity.member_id
    )
    assert log.disk.get(Bucket.AUTH, b"authRevision") == bytes(7) + b"\x01"


async def test_ids_are_those_of_an_etcd_founded_alike() -> None:
    _, identity = start(Disk(), "http://127.0.0.1:47380")
    assert identity.member_id == 17767816877210000001
    assert identity.cluster_id == 7222109305586615858


async def test_name_and_client_urls_follow_the_settings() -> None:
    log, _ = start(Disk())
    again = start_up(log, name="m2", peer_urls=[], token="t", client_urls=["http://b:1"])
    assert (again.name, again.client_urls) == ("m2", ("http://b:1",))
    assert again.peer_urls == (FOUNDED_WITH,)


async def test_learners_outlive_a_restart_and_so_does_their_end() -> None:
    disk = Disk()
    log, first = start(disk)
    membership = Membership(log, first)
    learner = membership.new_learner(["http://127.0.0.1:3", "http://127.0.0.1:1"], 1.9)
    membership.take(learner)
    log.flush()
    log.settle()
    row = b'{"id":%d,"peerURLs":["http://127.0.0.1:1","http://127.0.0.1:3"],"isLearner":true}'
    key = b"%016x" % learner.member_id
    assert disk.get(Bucket.MEMBERS, key) == row % learner.member_id
    log, again = start(disk)
    assert (again.member_id, again.cluster_id) == (first.member_id, first.cluster_id)
    assert disk.get(Bucket.META, b"confState") == (
        b'{"voters":[%d],"learners":[%d],"auto_leave":false}' % (first.member_id, learner.member_id)
    )
    membership = Membership(log, again)
    assert membership.learners == {learner.member_id: learner}
    membership.remove(learner.member_id)
    log.flush()
    log.settle()
    log, again = start(disk)
    membership = Membership(log, again)
    assert membership.learners == {}
    assert membership.was_removed(learner.member_id)
    assert disk.get(Bucket.MEMBERS_REMOVED, key) == b"removed"
    assert b"learners" not in (disk.get(Bucket.META, b"confState") or b"")
