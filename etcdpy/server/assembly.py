"""
Putting a server together: storage, store, identity, services.

Everything below knows only what it is handed; this is the one place that knows them all.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from etcdpy.config import Config
from etcdpy.config.retention import parse_retention
from etcdpy.lease import LeaseKeeper, LeaseRules, Lessor
from etcdpy.mvcc.compaction import Compactor
from etcdpy.mvcc.hashing import Hasher
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.restore import restore
from etcdpy.mvcc.store import Store
from etcdpy.node import autocompact, membership
from etcdpy.node.alarms import Alarms
from etcdpy.node.autocompactor import AutoCompactor
from etcdpy.node.membership import Identity, Membership
from etcdpy.node.periodic import Periodic
from etcdpy.node.quota import RequestLimit
from etcdpy.node.slow_requests import SlowRequests, TimedRegistry
from etcdpy.node.state import DEFAULT_QUOTA, Node
from etcdpy.node.versions import TICK_INTERVAL, Versions
from etcdpy.server import startup_log
from etcdpy.services.everything import register_all
from etcdpy.services.registration import Registry
from etcdpy.storage import Backend, Batch, Bucket, GroupCommit, StorageError
from etcdpy.storage.defrag import Defragmenter, defragment_at_start
from etcdpy.storage.snapshot import take_snapshot
from etcdpy.watch import Hub

#: Young objects are collected as usual. The oldest generation holds what lives as long as
#: the server, and walking it would stop the loop: it is left alone but for a rare turn.
_GC_THRESHOLDS = (50_000, 20, 1000)


@dataclass(frozen=True)
class Services:
    """
    A store that is open and served.

    Attributes:
        node: What is served.
        close: Makes everything acknowledged durable and closes the store.
        failed: Gets an exception if nothing can become durable any more.
        abandon: Says that calls are about to be cut off because the server ends.

    """

    node: Node
    close: Callable[[], Awaitable[None]]
    failed: asyncio.Future[None]
    abandon: Callable[[], None]


async def build_services(config: Config, server: Registry, slow: SlowRequests) -> Services:
    """
    Open the store that ``config`` names and register every service on ``server``.

    Args:
        slow: Is told how long requests took that the server does not time by itself.

    Raises:
        StorageError: If the data directory cannot be used.
        InvalidConfigError: If the retention of automatic compaction cannot be read.

    """
    # Like etcd, before the data directory is touched.
    retention = parse_retention(config.auto_compaction_mode, config.auto_compaction_retention)
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()

    def fail(error: StorageError) -> None:
        if not failed.done():
            failed.set_exception(error)

    told: list[Callable[[Batch], None]] = []

    def tell(batch: Batch) -> None:
        for listener in told:
            listener(batch)

    gc.disable()  # filling the store makes a lot, and no garbage
    began = time.monotonic()
    backend = Backend.open(Path(config.data_dir), fsync=not config.unsafe_no_fsync)
    startup_log.log_opened(config, time.monotonic() - began)
    if config.bootstrap_defrag_threshold_megabytes:
        defragment_at_start(backend, config.bootstrap_defrag_threshold_megabytes << 20)
    log = GroupCommit(
        backend,
        loop,
        on_durable=tell,
        on_failure=fail,
        on_seal=lambda batch: store.seal(batch),
    )
    store = Store(log)
    told.append(store.made_durable)
    unfinished = restore(store, log)
    identity = await _start_up(config, log, store)
    hasher = Hasher(store, log)
    compactor = Compactor(
        store,
        hasher,
        batch_limit=config.compaction_batch_limit,
        sleep=config.compaction_sleep_interval,
        began=startup_log.compaction_logger(log.size, backend.size_in_use),
    )
    if unfinished:
        compactor.resume(unfinished)
    keeper = LeaseKeeper(
        store,
        _lease_rules(config),
        time.monotonic,
        check_revoke=lambda: node.alarms.check_write(grows=False),
    )
    defragmenter = Defragmenter(log, backend, compactor.idle)
    keeper.restore(row for _, row in log.items(Bucket.LEASE))
    node = _make_node(
        config, backend, log, store, compactor, hasher, identity, keeper.lessor, slow, defragmenter
    )

    def make_room() -> None:
        # A copy of the database may be what fills the disk.
        if not defragmenter.give_up("no space left on device"):
            node.raise_no_space()

    log.on_full = make_room
    keeper.start()
    hub = Hub(store, log, node.headers, loop)
    told.append(hub.publish)
    timed = TimedRegistry(server, slow, every=slow.is_close or config.transport != "native")
    client = register_all(timed, node, keeper, hub)

    async def look_at_versions() -> None:
        node.versions.look()

    periodic = [Periodic(TICK_INTERVAL, look_at_versions)]
    policy = autocompact.policy(
        config.auto_compaction_mode, retention, store.durable_revision, time.monotonic()
    )
    if policy is not None:
        automatic = AutoCompactor(policy, store, compactor, node.alarms, time.monotonic)
        periodic.append(Periodic(policy.interval, automatic.look))
    _settle_garbage_collector()

    async def close() -> None:
        await client.close()
        # What is closed below may wait for the disk, which may be full.
        log.end_waiting()
        await defragmenter.close()
        for task in periodic:
            await task.close()
        await keeper.close()
        await hub.close()
        await compactor.close()
        await store.idle()
        await log.close()
        backend.close()

    return Services(node, close, failed, client.abandon)


async def _start_up(config: Config, log: GroupCommit, store: Store) -> Identity:
    identity = membership.start_up(
        log,
        name=config.name,
        peer_urls=[str(url) for url in config.initial_advertise_peer_urls],
        token=config.initial_cluster_token,
        client_urls=[str(url) for url in config.advertise_client_urls],
    )
    store.note_start()
    # A term must not come twice: it is durable before the first reply names it.
    if pending := log.unsettled():
        await pending
    return identity


def _lease_rules(config: Config) -> LeaseRules:
    return LeaseRules(
        min_ttl=config.min_lease_ttl,
        restart_extra=config.election_seconds,
        retry_after=config.request_timeout,
        checkpoints="LeaseCheckpoint" in config.feature_gates,
    )


def _make_node(
    config: Config,
    backend: Backend,
    log: GroupCommit,
    store: Store,
    compactor: Compactor,
    hasher: Hasher,
    identity: Identity,
    lessor: Lessor,
    slow: SlowRequests,
    defragmenter: Defragmenter,
) -> Node:
    return Node(
        store=store,
        compactor=compactor,
        hasher=hasher,
        versions=Versions(log),
        alarms=Alarms(log, [key for key, _ in log.items(Bucket.ALARM)]),
        membership=Membership(log, identity),
        headers=Headers(identity.cluster_id, identity.member_id, identity.raft_term),
        request_limit=RequestLimit(config.max_request_bytes, identity.member_id),
        max_txn_ops=config.max_txn_ops,
        max_request_bytes=config.max_request_bytes,
        max_message_bytes=config.max_message_bytes,
        progress_interval=config.progress_interval,
        quota=config.quota_backend_bytes or DEFAULT_QUOTA,
        backend_size=log.size,
        backend_size_in_use=backend.size_in_use,
        defragment=defragmenter.defragment,
        take_snapshot=partial(take_snapshot, log, backend),
        lease_exists=lessor.__contains__,
        max_learners=config.max_learners,
        slow=slow,
    )


def _settle_garbage_collector() -> None:
    # Nothing of what start-up has made is ever garbage: no collection need look at it.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()
