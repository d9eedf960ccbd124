"""
What etcd3-py can do, with its synchronous client and its asynchronous one.

    python etcd3_py_session.py HOST:PORT

Prints the outcome of each step, from which what is drawn or differs from run to run is left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import etcd3  # type: ignore[import-not-found]  # installed where this runs
from aiohttp.client import _BaseRequestContextManager  # type: ignore[import-not-found]

# A class when the client was written, of which it asks what is one.
etcd3.aio_client._RequestContextManager = _BaseRequestContextManager

outcomes: dict[str, Any] = {}


def step(name: str) -> Callable[[Callable[[], Any]], None]:
    def run(function: Callable[[], Any]) -> None:
        try:
            outcomes[name] = shown(function())
        except Exception as error:  # noqa: BLE001 (the client is old, and some of it fails by itself)
            # It cannot read errors in the form that they have had since etcd 3.6.
            outcomes[name] = "refused" if type(error) is TypeError else repr(error)

    return run


def shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [shown(part) for part in value]
    return value


def pairs(reply: Any) -> list[Any]:
    return [[kv.key, kv.value] for kv in reply.kvs or []]


def synchronous(client: Any) -> None:
    @step("put")
    def _() -> Any:
        for key in ("a", "b/1", "b/2"):
            client.put(key, key.upper())
        return client.put("a", "again", prev_kv=True).prev_kv.value

    @step("range")
    def _() -> Any:
        return pairs(client.range("a"))

    @step("range of a prefix")
    def _() -> Any:
        return pairs(client.range("b/", prefix=True, sort_order="DESCEND", sort_target="KEY"))

    @step("range of all")
    def _() -> Any:
        reply = client.range(all=True, keys_only=True, limit=2)
        return [reply.more, reply.count, [kv.key for kv in reply.kvs]]

    @step("range, count")
    def _() -> Any:
        return client.range("b/", prefix=True, count_only=True).count

    @step("bytes")
    def _() -> Any:
        value = bytes(range(256))
        client.put("bytes", value)
        return client.range("bytes").kvs[0].value == value

    @step("delete")
    def _() -> Any:
        return client.delete_range("bytes", prev_kv=True).deleted

    @step("transaction")
    def _() -> Any:
        txn = etcd3.Txn(client)
        txn.compare(txn.key("a").value == "again")
        txn.compare(txn.key("a").version > 1)
        txn.success(txn.put("a", "txn", prev_kv=True))
        txn.success(txn.range("a"))
        txn.failure(txn.delete("a"))
        reply = txn.commit()
        return [reply.succeeded, pairs(reply.responses[1].response_range)]

    @step("transaction that fails")
    def _() -> Any:
        txn = etcd3.Txn(client)
        txn.compare(txn.key("a").create == 0)
        txn.success(txn.put("a", "never"))
        txn.failure(txn.range("a"))
        reply = txn.commit()
        return [bool(reply.succeeded), pairs(reply.responses[0].response_range)]

    @step("compact")
    def _() -> Any:
        revision = client.range("a").header.revision
        client.compact(revision, physical=True)
        return pairs(client.range("a", revision=revision))

    @step("watch")
    def _() -> Any:
        seen: list[Any] = []
        complete = threading.Event()

        def note(event: Any) -> None:
            seen.append([event.type.value, event.key, event.value])
            if len(seen) == 3:
                complete.set()

        start = client.range("a").header.revision + 1
        watcher = client.Watcher(key="w/", prefix=True, start_revision=start)
        watcher.onEvent(note)
        watcher.runDaemon()
        client.put("w/1", "1")
        client.put("w/2", "2")
        client.delete_range("w/1")
        complete.wait(30)
        watcher.stop()
        return seen

    @step("watch, raw")
    def _() -> Any:
        start = client.range("a").header.revision
        with client.watch_create("w/2", start_revision=start, prev_kv=True) as stream:
            replies = iter(stream)
            created = next(replies).created
            client.put("w/2", "3")
            event = next(reply for reply in replies if reply.events).events[-1]
        return [created, event.kv.value]

    @step("lease")
    def _() -> Any:
        lease = client.Lease(ttl=60, ID=7001)
        lease.grant()
        client.put("leased", "x", lease=7001)
        lease.keepalive_once()
        told = client.lease_time_to_live(7001, keys=True)
        lease.revoke()
        return [told.ID, told.grantedTTL, told.keys, pairs(client.range("leased"))]

    @step("lease that is not there")
    def _() -> Any:
        return client.lease_revoke(4)

    @step("lock")
    def _() -> Any:
        lock = client.Lock("l", lock_ttl=30)
        lock.acquire()
        held = [kv.key for kv in client.range("_locks/", prefix=True).kvs]
        lock.release()
        return [held, pairs(client.range("_locks/", prefix=True))]

    @step("lock of the server's")
    def _() -> Any:
        key = client.lock("served", lease=client.lease_grant(60).ID).key
        client.unlock(key)
        return [key.startswith(b"served/"), pairs(client.range(key))]

    @step("maintenance")
    def _() -> Any:
        client.defragment()
        blob = b"".join(reply.blob for reply in client.snapshot())
        return [len(blob) % 512, bool(client.hash().hash), bool(client.status().dbSize)]

    @step("alarms")
    def _() -> Any:
        member = client.status().header.member_id
        client.alarm_activate(member, "CORRUPT")
        told = [alarm.alarm.value for alarm in client.alarm_get(member, "CORRUPT").alarms]
        client.alarm_deactivate(member, "CORRUPT")
        return [told, client.alarm_get(member, "CORRUPT").alarms or []]

    @step("members")
    def _() -> Any:
        return [len(client.member_list().members), client.member_list().members[0].name]


async def asynchronous(client: Any) -> None:
    put = await client.put("x/1", "one")
    outcomes["async put"] = put.header.revision > 0
    outcomes["async range"] = shown(pairs(await client.range("x/", prefix=True)))
    txn = etcd3.Txn(client)
    txn.compare(txn.key("x/1").value == "one")
    txn.success(txn.put("x/2", "two"))
    outcomes["async transaction"] = (await txn.commit()).succeeded
    seen = []
    async with client.watch_create("x/", prefix=True) as stream:
        async for reply in stream:
            if reply.created:
                await client.put("x/3", "three")
            seen += [shown([event.kv.key, event.kv.value]) for event in reply.events or []]
            if seen:
                break
    outcomes["async watch"] = seen
    lease = await client.lease_grant(60)
    outcomes["async lease"] = (await client.lease_time_to_live(lease.ID)).grantedTTL
    await asyncio.gather(*(client.put(f"many/{n}", str(n)) for n in range(50)))
    outcomes["async, many at once"] = (await client.range("many/", prefix=True)).count


def with_users(client: Any, address: tuple[str, int]) -> None:
    @step("users")
    def _() -> Any:
        client.user_add("root", "r")
        client.user_add("alice", "a")
        client.role_add("root")
        client.role_add("part")
        client.role_grant_permission("part", "p/", prefix=True, permType="READWRITE")
        client.user_grant_role("root", "root")
        client.user_grant_role("alice", "part")
        client.user_change_password("alice", "b")
        return [client.user_list().users, client.role_list().roles, client.user_get("alice").roles]

    @step("permissions")
    def _() -> Any:
        return [[p.key, p.range_end, p.permType.value] for p in client.role_get("part").perm]

    client.auth_enable()
    alice = etcd3.Client(*address, username="alice", password="b")

    @step("a stranger")
    def _() -> Any:
        return client.range("p/1")

    @step("a wrong password")
    def _() -> Any:
        return etcd3.Client(*address, username="alice", password="a").auth()

    @step("a user")
    def _() -> Any:
        alice.auth()
        alice.put("p/1", "hers")
        return pairs(alice.range("p/", prefix=True))

    @step("a user beyond his rights")
    def _() -> Any:
        return alice.range("a")

    async def hers() -> Any:
        other = etcd3.AioClient(*address)
        await other.auth("alice", "b")
        found = pairs(await other.range("p/1"))
        await other.close()
        return found

    @step("async, a user")
    def _() -> Any:
        return asyncio.run(hers())

    root = etcd3.Client(*address, username="root", password="r")
    root.auth()
    root.auth_disable()

    @step("afterwards")
    def _() -> Any:
        client.user_revoke_role("alice", "part")
        client.user_delete("alice")
        client.role_delete("part")
        return [client.user_list().users, client.role_list().roles]


async def run_asynchronous(address: tuple[str, int]) -> None:
    client = etcd3.AioClient(*address)
    try:
        await asynchronous(client)
    finally:
        await client.close()


def main(address: str) -> None:
    host, _, port = address.rpartition(":")
    client = etcd3.Client(host, int(port))
    synchronous(client)
    asyncio.run(run_asynchronous((host, int(port))))
    with_users(client, (host, int(port)))
    client.close()
    print(json.dumps(outcomes), flush=True)
    # The client's threads that keep leases alive do not all end.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
