"""
One node of a test's server, from its first moment to its last: a reset brings another.

It is opened on a home, filled with what the settings want to be there, and either closed, as a
server does that stops, or dropped, as one that is killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

from etcdpy.clock import Clock
from etcdpy.config import Config
from etcdpy.cooperative import outcome
from etcdpy.node.caller import Internal
from etcdpy.node.cluster_ids import member_id
from etcdpy.node.node import Node
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.node.watch_session import WatchSession
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission, UserAddOptions
from etcdpy.server.assembly import Served, open_served
from etcdpy.server.transports import EXTENSIVE
from etcdpy.storage import StorageError
from etcdpy.testing.calls import Handlers
from etcdpy.testing.data import as_bytes, is_snapshot, read_mapping
from etcdpy.testing.homes import Home
from etcdpy.testing.settings import Settings

__all__ = ["TEST", "Generation"]

#: Who asks when the test itself does.
TEST: Final = Internal("test")


class Generation:
    """
    A node and what it is served by.

    Attributes:
        home: Where its data is.
        node: The node.
        handlers: Of its services, as they were registered.
        behaviours: What answers each of its methods, by path.
        v2_locks: The locks of v2, if that is served.
        sessions: Of the clients that watch; some may have left.

    """

    def __init__(self, home: Home, served: Served, handlers: Handlers, end: AsyncExitStack) -> None:
        self.home = home
        self.node: Node = served.node
        self.queues = served.queues
        self.v2_locks = served.v2_locks
        self.handlers = handlers
        self.behaviours: Mapping[str, Callable[..., Any]] = handlers.behaviours()
        self.sessions: list[WatchSession] = []
        self._end = end
        watch = self.node.watch

        def remembered(*arguments: Any) -> WatchSession:
            if len(self.sessions) > 64:
                self.sessions = [session for session in self.sessions if session.is_open]
            self.sessions.append(watch(*arguments))
            return self.sessions[-1]

        # Services look it up for each stream.
        self.node.watch = remembered  # type: ignore[method-assign,assignment]

    @classmethod
    async def open(
        cls, home: Home, config: Config, clock: Clock, settings: Settings | None = None
    ) -> Generation:
        """
        Open a node.

        Args:
            home: Where its data is.
            config: The server's settings.
            clock: What time it is to it.
            settings: What is to be there at the beginning; None to leave it as it was.

        Raises:
            ValueError: What is to be there cannot be.
            StorageError: The data directory cannot be used.

        """
        if settings is not None and settings.data is not None and is_snapshot(settings.data):
            restore(Path(str(settings.data)), home, config)
        end = AsyncExitStack()
        handlers = Handlers()
        slow = SlowRequests(
            config.warning_apply_duration,
            config.slow_request_seconds,
            clock,
            times_all=config.metrics == EXTENSIVE,
        )
        opening = open_served(config, clock, handlers, slow, home.backend)
        served = await end.enter_async_context(opening)
        opened = cls(home, served, handlers, end)
        try:
            if settings is not None:
                await opened._fill(settings)
        except BaseException:
            await opened.drop()
            raise
        return opened

    async def close(self) -> None:
        """Stop: all that was acknowledged is in the database then."""
        self.queues.abandon()
        await self._end.aclose()

    async def drop(self) -> None:
        """Stop as if killed: what is in the journal stays there, what is on its way is lost."""
        self.queues.abandon()
        log = self.node.parts.store.log
        fail = getattr(log, "fail", None)
        if fail is not None:
            fail(StorageError("the server was killed by its test"))
        if self.node.failed.done():
            self.node.failed.exception()  # seen: it was ordered
        with suppress(StorageError):
            await self._end.aclose()

    async def ask(self, method: str, request: Any) -> Any:
        """Ask something of the node, as the test, which may do everything."""
        return await outcome(getattr(self.node, method)(request, TEST))

    async def put_all(self, pairs: Iterable[tuple[bytes, bytes]]) -> int:
        """Put keys, each in a revision of its own; return the last revision."""
        revision = self.node.parts.store.revision
        for key, value in pairs:
            reply = await self.ask("put", pb.PutRequest(key=key, value=value))
            revision = pb.PutResponse.FromString(bytes(reply)).header.revision
        return revision

    # ------------------------------------------------------------------- beginnings

    async def _fill(self, settings: Settings) -> None:
        if settings.data is not None and not is_snapshot(settings.data):
            await self.put_all(read_mapping(settings.data).items())
        for role, prefixes in settings.roles.items():
            await self._add_role(role, prefixes)
        if settings.auth is not None:
            await self._add_users(settings.auth)

    async def _add_role(self, role: str, prefixes: Iterable[str]) -> None:
        await self.ask("role_add", pb.AuthRoleAddRequest(name=role))
        for prefix in [prefixes] if isinstance(prefixes, str) else prefixes:
            start = as_bytes(prefix)
            permission = Permission(
                permType=Permission.READWRITE,
                key=start or b"\0",
                range_end=end_of_prefix(start),
            )
            grant = pb.AuthRoleGrantPermissionRequest(name=role, perm=permission)
            await self.ask("role_grant_permission", grant)

    async def _add_users(self, users: Mapping[str, Any]) -> None:
        await self.ask("role_add", pb.AuthRoleAddRequest(name="root"))
        for name, described in users.items():
            user = {"password": described} if not isinstance(described, Mapping) else described
            password = user.get("password")
            options = UserAddOptions(no_password=password is None)
            add = pb.AuthUserAddRequest(name=name, password=password or "", options=options)
            await self.ask("user_add", add)
            roles = [*user.get("roles", ()), *(["root"] if name == "root" else [])]
            for role in dict.fromkeys(roles):
                grant = pb.AuthUserGrantRoleRequest(user=name, role=role)
                await self.ask("user_grant_role", grant)
        await self.ask("auth_enable", pb.AuthEnableRequest())


def restore(file: Path, home: Home, config: Config) -> None:
    """
    Make a home's data of a snapshot of etcd's.

    Raises:
        BoltError: The file is damaged.
        SnapshotFileError: It cannot be read.

    """
    # Few tests begin with one.
    from etcdpy.storage.bolt_read import BoltReader
    from etcdpy.storage.snapshot_file import open_snapshot
    from etcdpy.storage.snapshot_restore import restore_snapshot

    home.close()
    home.leave()
    urls = [str(url) for url in config.initial_advertise_peer_urls]
    own_id = member_id(urls, config.initial_cluster_token)
    member = {"id": own_id, "peerURLs": urls, "name": config.name}
    with open_snapshot(file) as data:
        row = json.dumps(member, separators=(",", ":")).encode()
        restore_snapshot(BoltReader(data), home.path, {b"%016x" % own_id: row})


def end_of_prefix(prefix: bytes) -> bytes:
    """
    Return the end of the range of the keys that begin so, as clients give it.

    >>> end_of_prefix(b"a"), end_of_prefix(b""), end_of_prefix(bytes([97, 255]))
    (b'b', b'\\x00', b'b')
    """
    for place in range(len(prefix) - 1, -1, -1):
        if prefix[place] < 255:
            return prefix[:place] + bytes([prefix[place] + 1])
    return b"\0"
