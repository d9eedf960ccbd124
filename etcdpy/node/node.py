"""
A node: everything that a one-node etcd does, open on a data directory.

What it is made of is put together here, in one place, from the disk up; whatever is opened is
closed in the opposite order, however far it came. It serves nobody by itself: servers, tests and
tools open one and hand it to whoever speaks a protocol.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Future
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from etcdpy.auth.passwords import Passwords
from etcdpy.auth.store import AuthStore
from etcdpy.auth.tokens import make_provider
from etcdpy.clock import Clock
from etcdpy.config import Config, InvalidConfigError
from etcdpy.config.retention import parse_retention
from etcdpy.cooperative import Baton
from etcdpy.gostd.durations import go_duration
from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.memory import Account, Budget
from etcdpy.mvcc.hashing import Hasher
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.restore import restore
from etcdpy.mvcc.store import Store
from etcdpy.node import membership
from etcdpy.node.admission import Admission
from etcdpy.node.alarms import Alarms
from etcdpy.node.audit import Auditor
from etcdpy.node.authentication import Authentication
from etcdpy.node.cluster import Cluster
from etcdpy.node.compaction_log import compaction_logger
from etcdpy.node.compactor import Compactor
from etcdpy.node.internal import InternalCalls
from etcdpy.node.kv import KeyValues
from etcdpy.node.lease_expiry import LeaseExpiry
from etcdpy.node.leases import Leases
from etcdpy.node.maintenance import Maintenance
from etcdpy.node.measures import Measures
from etcdpy.node.membership import Identity, Membership
from etcdpy.node.parts import Database, Parts, Settings
from etcdpy.node.quota import DEFAULT_QUOTA, Quota, RequestLimit
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.node.versions import Versions
from etcdpy.node.watches import Watches
from etcdpy.node.writer import Writer
from etcdpy.storage import Backend, Bucket, GroupCommit, StorageError
from etcdpy.storage.defrag import Defragmenter, defragment_at_start
from etcdpy.storage.snapshot import take_snapshot
from etcdpy.watch import Hub

__all__ = ["Node"]

logger = logging.getLogger(__name__)


class Node(KeyValues, Leases, Watches, Cluster, Maintenance, Authentication, InternalCalls):
    """
    An open node: see ``NodeApi`` for what it can be asked.

    Attributes:
        parts: What it is made of.
        failed: Gets an exception if nothing can become durable any more.

    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.parts = parts
        self.failed: Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: Config,
        clock: Clock,
        slow: SlowRequests | None = None,
        audit: Auditor | None = None,
        backend: Backend | None = None,
        memory: Budget | None = None,
    ) -> AsyncIterator[Node]:
        """
        Open the data directory that ``config`` names; at the end of the block close it.

        Everything acknowledged is durable before the block ends, and in LMDB unless the disk is
        full. Nothing may be asked of the node afterwards.

        Args:
            config: The settings.
            clock: What time it is to the node.
            slow: Is told how long KV requests took.
            audit: Is told who has changed what.
            backend: The data directory, open already; its ``close`` stays with the caller.
            memory: What clients can have the server hold; None for what ``config`` says.

        Raises:
            StorageError: If the data directory cannot be used.
            InvalidConfigError: If the retention of automatic compaction cannot be read, there
                are more learners than may be, or no tokens can be made as ``--auth-token`` has it.

        """
        # Like etcd, before the data directory is touched.
        retention = parse_retention(config.auto_compaction_mode, config.auto_compaction_retention)
        async with AsyncExitStack() as closing:
            if backend is None:
                backend = _open_backend(config, clock)
                closing.callback(backend.close)
            log = GroupCommit(backend, asyncio.get_running_loop(), clock)
            if audit is not None:
                log.before_write = audit.settle
            closing.push_async_callback(log.close)
            store = Store(log)
            unfinished = restore(store, log)
            # Only now: what is restored was sealed before.
            log.serve(store)
            writer = Writer(store)
            log.on_behind, log.on_caught_up = writer.hold_back, writer.go_on
            closing.push_async_callback(writer.finished)
            # Behind the database, as in etcd. (etcd: server.go, NewServer)
            tokens = make_provider(config.auth_token, config.auth_token_ttl, clock)
            closing.callback(tokens.close)
            passwords = Passwords(config.bcrypt_cost)
            closing.callback(passwords.close)
            users = AuthStore(log)
            identity = await _start_up(config, log, store)
            members = Membership(log, identity)
            # (etcd: membership/cluster.go, ValidateMaxLearnerConfig)
            if len(members.learners) > config.max_learners:
                raise InvalidConfigError("membership: too many learner members in cluster")
            hasher = Hasher(store, log)
            defragmenter = Defragmenter(log, backend, clock)
            database = Database(
                log.size,
                backend.size_in_use,
                defragmenter.defragment,
                partial(take_snapshot, log, backend),
                log.writes,
            )
            measures = Measures()
            slow = slow or SlowRequests()
            slow.on_applied, slow.on_ended = measures.note_applied, measures.note_request
            compactor = Compactor(
                store,
                hasher,
                clock,
                batch_limit=config.compaction_batch_limit,
                sleep=config.compaction_sleep_interval,
                began=compaction_logger(database, clock),
                measures=measures,
            )
            closing.push_async_callback(compactor.close)
            defragmenter.settle = compactor.idle
            if unfinished:  # a crash came between decision and end of a compaction
                compactor.resume(unfinished)
            headers = Headers(identity.cluster_id, identity.member_id, identity.raft_term)
            memory = memory or Budget(config.memory_limit)
            memory.on_quiet, log.on_checkpoint = log.checkpoint_soon, memory.glance
            hub = Hub(store, log, headers, asyncio.get_running_loop(), Account(memory))
            closing.push_async_callback(hub.close)
            # Behind the store, which is the first to know.
            log.on_durable.append(hub.publish)
            alarms = Alarms(log, [key for key, _ in log.items(Bucket.ALARM)])
            keeper = LeaseKeeper(store, _lease_rules(config))
            keeper.restore((row for _, row in log.items(Bucket.LEASE)), clock.monotonic())
            check_revoke = partial(alarms.check_write, grows=False)
            expiry = LeaseExpiry(keeper, writer, clock, check_revoke, audit)
            closing.push_async_callback(expiry.close)
            versions = Versions(log, clock)
            closing.callback(versions.close)
            quota = Quota(
                config.quota_backend_bytes or DEFAULT_QUOTA, log.size, alarms, identity.member_id
            )
            v2 = None
            if config.enable_v2:
                from etcdpy.node.v2 import V2Store
                from etcdpy.node.v2_expiry import V2Expiry

                v2 = V2Store(store, clock, quota, alarms, audit)
                log.on_durable.append(v2.publish)
                closing.push_async_callback(v2.close)
                v2_expiry = V2Expiry(v2, clock)
                closing.push_async_callback(v2_expiry.close)
                v2_expiry.start()
            if audit is not None:
                quota.on_raised = audit.alarm_raised
                audit.happened("internal:start", store.revision)
                closing.callback(lambda: audit.happened("internal:stop", store.revision))
            node = cls(
                Parts(
                    settings=_settings(config),
                    clock=clock,
                    database=database,
                    store=store,
                    writer=writer,
                    compactor=compactor,
                    hasher=hasher,
                    leases=keeper,
                    users=users,
                    tokens=tokens,
                    passwords=passwords,
                    expiry=expiry,
                    hub=hub,
                    alarms=alarms,
                    quota=quota,
                    admission=_admission(config, quota, alarms, identity, audit),
                    membership=members,
                    versions=versions,
                    headers=headers,
                    slow=slow,
                    baton=Baton(),
                    measures=measures,
                    audit=audit,
                    v2=v2,
                    memory=memory,
                )
            )
            log.on_failure = node._fail
            log.on_full = partial(_make_room, defragmenter, quota)
            # Last of what acts by itself: it writes.
            expiry.start()
            if retention > 0:
                from etcdpy.node.autocompactor import keep_compacting

                mode = config.auto_compaction_mode
                automatic = keep_compacting(mode, retention, node, store, clock)
                closing.push_async_callback(automatic.close)
            closing.push_async_callback(defragmenter.close)
            # What is closed after this may wait for the disk, which may be full.
            closing.callback(log.end_waiting)
            yield node

    def _fail(self, error: StorageError) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)


def _open_backend(config: Config, clock: Clock) -> Backend:
    began = clock.monotonic()
    backend = Backend.open(Path(config.data_dir), fsync=not config.unsafe_no_fsync)
    log_opened(config, clock.monotonic() - began)
    if config.bootstrap_defrag_threshold_megabytes:
        from etcdpy.logs.progress import growing

        threshold = config.bootstrap_defrag_threshold_megabytes << 20
        defragment_at_start(backend, threshold, partial(growing, "defragmenting"))
    return backend


def log_opened(config: Config, took: float) -> None:
    """Log that the database is open, which after a crash includes replaying the journal."""
    path = f"{config.data_dir.rstrip('/')}/member/lmdb"
    logger.info("opened backend db", {"path": path, "took": go_duration(took)})


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


def _make_room(defragmenter: Defragmenter, quota: Quota) -> None:
    # A copy of the database may be what fills the disk.
    if not defragmenter.give_up("no space left on device"):
        quota.disk_is_full()


def _lease_rules(config: Config) -> LeaseRules:
    return LeaseRules(
        min_ttl=config.min_lease_ttl,
        restart_extra=config.election_seconds,
        retry_after=config.request_timeout,
        checkpoints="LeaseCheckpoint" in config.feature_gates,
    )


def _settings(config: Config) -> Settings:
    return Settings(
        max_request_bytes=config.max_request_bytes,
        max_message_bytes=config.max_message_bytes,
        progress_interval=config.progress_interval,
        max_learners=config.max_learners,
    )


def _admission(
    config: Config, quota: Quota, alarms: Alarms, identity: Identity, audit: Auditor | None
) -> Admission:
    limit = RequestLimit(config.max_request_bytes, identity.member_id)
    return Admission(quota, limit, alarms, config.max_txn_ops, audit)
