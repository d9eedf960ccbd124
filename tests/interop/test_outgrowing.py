"""A store outgrows one node: what docs/outgrowing.md has its reader do, and what it promises."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.locking import wait_for
from tests.interop.etcdctl import Etcdctl
from tests.interop.outgrowing import (
    CLUSTER,
    OLD,
    SECOND_DOOR,
    SETTING,
    WITH_USERS,
    Play,
    hashes,
    sections,
)
from tests.snapshot.stores import Content, content_at, run
from tests.support.client import Client
from tests.support.servers import reference_binary

BEGIN = (
    f"etcdpy --data-dir store.etcd --listen-client-urls http://{OLD}"
    f" --advertise-client-urls http://{OLD}"
)
LEASE, TTL = 7 << 40, 3600
BUMP = 1_000_000_000
THIRD_DOOR = "127.0.0.1:2579"

#: Of each writer, a second.
WRITES = 50

Pairs = dict[bytes, bytes]


def fill(client: Client, *, leases: bool) -> None:
    """Leave keys on some history that was compacted, of transactions and deletions too."""
    for number in range(120):
        put(client, b"key %02d" % (number % 40), b"%d" % number)
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"key 30", range_end=b"key 35"))
    puts = [pb.RequestOp(request_put=pb.PutRequest(key=b"key %02d" % n)) for n in range(30, 33)]
    head = client.kv.Txn(pb.TxnRequest(success=puts)).header.revision
    client.kv.Compact(pb.CompactionRequest(revision=head - 20, physical=True))
    if leases:
        for number in (1, 2):
            client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=number * LEASE, TTL=number * TTL))
            put(client, b"held %d" % number, b"yes", lease=number * LEASE)
    put(client, b"last", b"\0\n\xff" * 100)


def put(client: Client, key: bytes, value: bytes, lease: int = 0) -> int:
    reply = client.kv.Put(pb.PutRequest(key=key, value=value, lease=lease), timeout=60)
    revision: int = reply.header.revision
    return revision


def pairs(address: str) -> Pairs:
    return {kv.key: kv.value for kv in everything(address).kvs}


def everything(address: str, revision: int = 0) -> Any:
    with closing(Client(address)) as client:
        request = pb.RangeRequest(key=b"\0", range_end=b"\0", revision=revision)
        return client.kv.Range(request, timeout=60)


def refused(address: str) -> grpc.StatusCode:
    """Put a key where it has to fail, and return how."""
    with closing(Client(address)) as client, pytest.raises(grpc.RpcError) as caught:
        put(client, b"refused", b"")
    code: grpc.StatusCode = caught.value.code()
    return code


@contextmanager
def watching(address: str, *starts: int) -> Iterator[Iterator[Any]]:
    """Watch all keys on one stream, from each of these revisions; the watches are 1, 2 ..."""
    requests = [
        pb.WatchRequest(
            create_request=pb.WatchCreateRequest(
                key=b"\0", range_end=b"\0", start_revision=start, watch_id=number
            )
        )
        for number, start in enumerate(starts, 1)
    ]
    done = threading.Event()

    def sent() -> Iterator[Any]:
        yield from requests
        done.wait()

    with closing(Client(address)) as client:
        replies = client.watch.Watch(sent(), timeout=60)
        assert all(next(replies).created for _ in starts)
        try:
            yield replies
        finally:
            done.set()
            replies.cancel()


def told(replies: Iterator[Any], last: int) -> list[int]:
    """Return the revisions of a watch's events up to the last one."""
    revisions: list[int] = []
    while not revisions or revisions[-1] < last:
        revisions += [event.kv.mod_revision for event in next(replies).events]
    return revisions


class Writers:
    """Clients that write until they are stopped, and know what was acknowledged."""

    def __init__(self, address: str, count: int = 2) -> None:
        self.acknowledged: Pairs = {}
        self._address = address
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int = 20) -> None:
        enough = len(self.acknowledged) + count
        wait_for(lambda: len(self.acknowledged) >= enough, "more writes")

    def _write(self, writer: int) -> None:
        number = 0
        with closing(Client(self._address, ("grpc.max_reconnect_backoff_ms", 200))) as client:
            while not self._stop.wait(1 / WRITES):
                number += 1
                key, value = b"writer %d, %06d" % (writer, number), b"%d" % number
                operations = [
                    pb.RequestOp(request_put=pb.PutRequest(key=key, value=value)),
                    pb.RequestOp(request_put=pb.PutRequest(key=b"newest %d" % writer, value=value)),
                ]
                with suppress(grpc.RpcError):
                    client.kv.Txn(pb.TxnRequest(success=operations), timeout=60)
                    with self._lock:
                        self.acknowledged[key] = value


@pytest.fixture
def newer(etcdctl: Etcdctl) -> None:
    """Skip what asks for the etcdctl and the etcdutl of etcd 3.6."""
    if not etcdctl.knows("make-mirror", "--rev"):
        pytest.skip("before etcd 3.6 make-mirror has no --rev, and etcdutl no --bump-revision")


@pytest.fixture
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Play]:
    """A section of the page, with a store at the old address that has keys, history and leases."""
    titles, leases = request.param
    with Play(titles, tmp_path) as scene:
        scene.begin(BEGIN)
        scene.wait_until_served(OLD)
        with closing(Client(scene.address(OLD))) as client:
            fill(client, leases=leases)
        yield scene


#: The sections that a test below plays.
PLAYED: list[str] = []


def section(*titles: str, leases: bool = True) -> pytest.MarkDecorator:
    PLAYED.extend(titles)
    return pytest.mark.parametrize("play", [(titles, leases)], indirect=True, ids=[titles[0]])


def cluster_contents(play: Play) -> list[Content]:
    play.wait_until_served(*CLUSTER)
    return [content_at(address) for address in play.cluster()]


@section("Stop, copy, start", "The way back")
def test_a_stopped_store_becomes_a_cluster_that_goes_on_where_it_was_and_comes_back(
    play: Play,
) -> None:
    before = content_at(play.address(OLD))
    play.stop("etcdpy")
    play.step()
    play.wait_until_served(SECOND_DOOR)
    assert refused(play.address(OLD)) is grpc.StatusCode.UNAVAILABLE
    *_, hashed, leases = play.step()
    play.stop("etcdpy")
    play.copy("store.db")
    play.step()
    assert cluster_contents(play) == [before] * 3
    *_, all_hashed, all_leases = play.step()
    assert set(hashes(all_hashed)) == set(hashes(hashed)) == {before.hash[0]}
    assert sorted(all_leases.splitlines()) == sorted(leases.splitlines())
    clients_go_on(play, before)
    comes_back(play)
    play.end()


def clients_go_on(play: Play, before: Content) -> None:
    """Clients that know the store from before go on with the cluster, whichever node they ask."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(closing(Client(address))) for address in play.cluster()]
        streams = [
            stack.enter_context(watching(address, before.revision)) for address in play.cluster()
        ]
        written = [put(node, b"key 01", b"from %d" % number) for number, node in enumerate(nodes)]
        assert written == [before.revision + number for number in (1, 2, 3)]
        for stream in streams:
            assert told(stream, written[-1]) == [before.revision, *written]
        for address in play.cluster():
            then = everything(address, before.revision).kvs
            assert [kv.SerializeToString(deterministic=True) for kv in then] == before.rows
        requests = iter([pb.LeaseKeepAliveRequest(ID=LEASE)])
        assert next(nodes[0].lease.LeaseKeepAlive(requests, timeout=60)).TTL == TTL
        nodes[0].lease.LeaseRevoke(pb.LeaseRevokeRequest(ID=LEASE), timeout=60)
    assert {b"held 1", b"held 2"} & pairs(play.cluster()[2]).keys() == {b"held 2"}


def save_what_is_soon_old(play: Play) -> tuple[Content, int]:
    """Save a snapshot, then write; return what is in it, and the revision that clients know."""
    content = content_at(play.address(OLD))
    play.begin(f"etcdpy snapshot save store.db --endpoints {OLD}")
    with closing(Client(play.address(OLD))) as client:
        known = put(client, b"key 01", b"not in the snapshot")
    play.stop("etcdpy")
    play.copy("store.db")
    return content, known


def clients_are_told_of_a_compaction(play: Play, saved: Content, known: int) -> None:
    """All nodes have what was saved, and are beyond what clients know, which they are told."""
    contents = cluster_contents(play)
    assert [content.rows for content in contents] == [saved.rows] * 3
    assert [content.leases for content in contents] == [saved.leases] * 3
    assert {content.revision for content in contents} == {saved.revision + BUMP}
    assert len({content.hash for content in contents}) == 1
    for address in play.cluster():
        with watching(address, known + 1) as replies:
            assert next(replies).compact_revision == saved.revision + BUMP
    with closing(Client(play.cluster()[0])) as client:
        assert put(client, b"key 01", b"again") == saved.revision + BUMP + 1


def comes_back(play: Play) -> None:
    """The cluster becomes one etcdpy again."""
    before = content_at(play.cluster()[0])
    (hashed, _) = play.step()
    play.stop("etcd")
    play.step()
    play.wait_until_served(OLD)
    assert content_at(play.address(OLD)) == before
    (hashed_back,) = play.step()
    assert list(hashes(hashed_back)) == list(hashes(hashed)) == [before.hash[0]]
    with closing(Client(play.address(OLD))) as client:
        assert put(client, b"key 01", b"at home") == before.revision + 1
        assert len(client.cluster.MemberList(pb.MemberListRequest()).members) == 1


@pytest.mark.usefixtures("newer")
@section("When clients know more than the snapshot")
def test_what_clients_know_of_later_revisions_is_told_as_compacted(play: Play) -> None:
    saved, known = save_what_is_soon_old(play)
    play.step()
    play.end()
    clients_are_told_of_a_compaction(play, saved, known)


def test_an_older_etcdutl_does_not_know_the_flags(etcdctl: Etcdctl) -> None:
    if etcdctl.knows("make-mirror", "--rev"):
        pytest.skip("since etcd 3.6 etcdutl has --bump-revision")
    words = ("snapshot", "restore", "store.db", "--bump-revision=1", "--mark-compacted")
    ended = run(reference_binary("etcdutl"), *words)
    assert ended.returncode != 0
    assert "unknown flag: --bump-revision" in ended.stderr


@section("With etcd before 3.6")
def test_etcdpy_raises_revisions_for_an_etcd_that_cannot(play: Play) -> None:
    saved, known = save_what_is_soon_old(play)
    play.step()
    play.wait_until_served(THIRD_DOOR)
    play.step()
    play.stop("etcdpy")
    play.copy("bumped.db")
    play.step()
    play.end()
    clients_are_told_of_a_compaction(play, saved, known)


@pytest.mark.usefixtures("newer")
@section("Copy with revisions while clients write", leases=False)
def test_what_is_written_meanwhile_gets_the_same_revisions(play: Play) -> None:
    with Writers(play.address(OLD)) as writers:
        open_the_second_door(play)
        play.step()
        writers.wait_for_more()
        play.copy("store.db")
        play.step()
        play.wait_until_served(*CLUSTER)
        with closing(Client(play.address(OLD))) as client:
            delete_many(client)
        play.step()
        wait_until_mirrored(play, everything(play.address(OLD)).header.revision)
        play.stop("mirror", signal.SIGINT)
        writers.wait_for_more()
        play.step()
        writers.wait_for_more()
        shut_the_first_door(play)
    before = content_at(play.address(SECOND_DOOR))
    wait_until_mirrored(play, before.revision)
    assert cluster_contents(play) == [before] * 3
    hashed, all_hashed = play.step()
    assert set(hashes(all_hashed)) == set(hashes(hashed)) == {before.hash[0]}
    hashes_agree_after_a_compaction_that_is_not_mirrored(play, before)
    play.stop("mirror", signal.SIGINT)
    play.end()
    assert writers.acknowledged.items() <= pairs(play.cluster()[1]).items()
    with watching(play.cluster()[2], before.revision) as replies:
        with closing(Client(play.cluster()[0])) as client:
            written = put(client, b"key 01", b"in the cluster")
        assert set(told(replies, written)) == {before.revision, written}


def wait_until_mirrored(play: Play, revision: int) -> None:
    node = play.cluster()[0]
    wait_for(lambda: everything(node).header.revision >= revision, f"revision {revision} is there")


def hashes_agree_after_a_compaction_that_is_not_mirrored(play: Play, before: Content) -> None:
    with closing(Client(play.address(SECOND_DOOR))) as client:
        client.kv.Compact(pb.CompactionRequest(revision=before.revision - 5, physical=True))
    assert content_at(play.address(SECOND_DOOR)).hash != before.hash
    play.step()
    after = content_at(play.address(SECOND_DOOR))
    assert after.hash[1] == before.revision
    assert cluster_contents(play) == [after] * 3


@section("Copy keys and values while clients write")
def test_keys_and_values_are_copied_while_clients_write(play: Play) -> None:
    with closing(Client(play.address(OLD))) as client:
        for number in range(100):
            put(client, b"often", b"%d" % number)
    with Writers(play.address(OLD)) as writers:
        open_the_second_door(play)
        play.step()
        play.wait_until_served(*CLUSTER)
        writers.wait_for_more()
        play.step()
        wait_for(lambda: b"key 00" in pairs(play.cluster()[0]), "the mirror to begin")
        writers.wait_for_more()
        shut_the_first_door(play)
    play.step()
    wait_for(lambda: b"moved" in pairs(play.cluster()[0]), "the last key")
    here, there = play.step()
    assert here == there
    before = everything(play.address(SECOND_DOOR))
    play.stop("mirror", signal.SIGINT)
    play.step()
    play.end()
    expected = {kv.key: kv.value for kv in before.kvs if kv.key != b"moved"}
    for address in play.cluster():
        assert pairs(address) == expected
    assert writers.acknowledged.items() <= expected.items()
    clients_have_to_begin_anew(play, before)


def clients_have_to_begin_anew(play: Play, before: Any) -> None:
    """Nothing but keys and values is as it was; who does not know that waits in vain."""
    address = play.cluster()[0]
    after = everything(address)
    old = before.header.revision
    assert after.header.revision < old
    by_key = {kv.key: kv for kv in after.kvs}
    assert by_key[b"often"].version == 1
    assert not any(kv.lease for kv in after.kvs)
    assert content_at(address).leases == {}
    with pytest.raises(grpc.RpcError, match="required revision is a future revision"):
        everything(address, old)
    with (
        watching(address, old, after.header.revision + 1) as replies,
        closing(Client(address)) as client,
    ):
        requests = iter([pb.LeaseKeepAliveRequest(ID=LEASE)])
        assert next(client.lease.LeaseKeepAlive(requests, timeout=60)).TTL == 0
        while put(client, b"key 01", b"again") < old:
            pass
        first: dict[int, int] = {}
        while len(first) < 2:
            reply = next(replies)
            first.setdefault(reply.watch_id, reply.events[0].kv.mod_revision)
        assert first == {1: old, 2: after.header.revision + 1}


def delete_many(client: Client) -> None:
    """Delete more keys at once than fit into a transaction."""
    for first in range(0, 300, 100):
        puts = [
            pb.RequestOp(request_put=pb.PutRequest(key=b"many/%d" % number))
            for number in range(first, first + 100)
        ]
        client.kv.Txn(pb.TxnRequest(success=puts))
    deleted = client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"many/", range_end=b"many0"))
    assert deleted.deleted == 300


def open_the_second_door(play: Play) -> None:
    play.stop("etcdpy")
    play.step()
    play.wait_until_served(OLD, SECOND_DOOR)


def shut_the_first_door(play: Play) -> None:
    play.stop("etcdpy")
    play.step()
    play.wait_until_served(SECOND_DOOR)
    assert refused(play.address(OLD)) is grpc.StatusCode.UNAVAILABLE


def test_every_command_of_the_page_is_one_that_a_test_runs() -> None:
    with_commands = {title for title, blocks in sections().items() if blocks}
    assert with_commands == {*PLAYED, SETTING, WITH_USERS}
