"""
The audit log's lines: who changed what, and who was not let.

::

    {"ts":"2026-11-21T07:50:34.668748Z","method":"/etcdserverpb.KV/Put","user":"alice",
     "peer":"ipv4:10.0.0.1:5000","user_agent":"grpc-go/1.71.1","revision":7,
     "ops":[{"op":"put","key":"a"}],"code":"OK"}

A change is told of in the step of the loop that makes it, while nobody knows yet whether the disk
will take it: so lines are in the order of revisions, and whoever writes them can have them on the
disk before the change is. What a line says of a request is in ``node.audit_lines``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from etcdpy.auth.identity import Identity
from etcdpy.errors import EtcdError
from etcdpy.mvcc.txn_request import Txn
from etcdpy.mvcc.within import TxnResult
from etcdpy.node.audit_lines import (
    Ops,
    describe,
    lease_name,
    put_fields,
    quoted,
    range_fields,
    text_field,
)
from etcdpy.node.caller import Caller, Internal
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage.errors import StorageError

__all__ = ["METHODS", "AuditSink", "Auditor", "Stamps", "gap_line"]

#: Whose call led to something is written once for all calls that are alike in this many.
_MOST_REMEMBERED: Final = 4096

#: What work of the server itself calls, by the method of the node.
METHODS: Final = {
    "lease_grant": "/etcdserverpb.Lease/LeaseGrant",
    "compact": "/etcdserverpb.KV/Compact",
    "lease_revoke": "/etcdserverpb.Lease/LeaseRevoke",
    "alarm": "/etcdserverpb.Maintenance/Alarm",
}

#: Returns the name of a gRPC code and the words that a client gets of an error.
Words = Callable[[EtcdError], tuple[str, str]]


class AuditSink(Protocol):
    """
    Takes lines: an ``AuditFile``.

    Attributes:
        is_synced: Whether changes wait for their lines.

    """

    is_synced: bool

    def append(self, line: str) -> None:
        """Take a line that may be lost if the disk takes none."""

    def append_always(self, line: str) -> None:
        """Take a line whose writing is waited for."""

    def settle(self) -> None:
        """
        Return once all lines taken so far are on the disk; any thread's.

        Raises:
            OSError: If they cannot be.

        """


class Stamps:
    """
    Writes moments as RFC 3339 has them, in UTC and to the microsecond.

    Args:
        wall: Returns the seconds since 1970.

    """

    __slots__ = ("_second", "_text", "_wall")

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._text = ""

    def now(self) -> str:
        """Return what time it is."""
        moment = self._wall()
        second = int(moment)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((moment - second) * 1e6):06}Z"


class Auditor:
    """
    Writes the lines of a node.

    Args:
        sink: Where lines go.
        wall: Returns the seconds since 1970.
        words: Returns what is said of a refusal.

    Attributes:
        settle: What has the lines written so far on the disk, and raises a StorageError where
            that cannot be; to be called by any thread before a change is durable. None if nobody
            waits for lines.

    """

    def __init__(self, sink: AuditSink, wall: Callable[[], float], words: Words) -> None:
        self.settle: Callable[[], None] | None = None
        self._refuse = sink.append
        self._change = sink.append
        if sink.is_synced:
            self._change, self.settle = sink.append_always, partial(_settle, sink)
        self._now = Stamps(wall).now
        self._words = words
        self._actors: dict[tuple[str | None, ...], str] = {}

    # ------------------------------------------------------------------- changes

    def put(
        self, request: pb.PutRequest, caller: Caller, who: Identity | None, revision: int
    ) -> None:
        """Tell of a Put, made with ``revision``."""
        # Fast path (bench: put/100x1): one text, of parts that are mostly there already.
        self._change(
            f'{{"ts":"{self._now()}",{self._actor(caller, who)},"revision":{revision},'
            f'"ops":[{{"op":"put",{put_fields(request)}}}],"code":"OK"}}'
        )

    def delete_range(
        self,
        request: pb.DeleteRangeRequest,
        caller: Caller,
        who: Identity | None,
        revision: int,
        deleted: int,
    ) -> None:
        """Tell of a DeleteRange that has deleted so many keys, which may be none."""
        ops = Ops()
        ops.add("delete", f'{range_fields(request)},"deleted":{deleted}')
        self._changed(caller, who, revision, ops.member)

    def txn(self, request: Txn, caller: Caller, who: Identity | None, result: TxnResult) -> None:
        """Tell of a transaction that has written, before its result is used up."""
        ops = Ops()
        ops.add_result(request, result)
        self._changed(caller, who, result.revision, ops.member)

    def v2(self, action: str, key: str, index: int, caller: Caller, user: str | None) -> None:
        """Tell of a write to the v2 tree, which has an index and no revision."""
        actor = self._named_actor(f"/v2/keys:{action}", user, caller)
        removes = action in ("delete", "compareAndDelete", "expire")
        op = "delete" if removes else "put"
        self._change(
            f'{{"ts":"{self._now()}",{actor},"index":{index},'
            f'"ops":[{{"op":"{op}",{text_field("key", key)}}}],"code":"OK"}}'
        )

    def lease_ended(
        self,
        lease_id: int,
        caller: Caller,
        who: Identity | None,
        revision: int,
        keys: Iterable[bytes],
        number: int,
    ) -> None:
        """
        Tell of a lease that was revoked, or has run out, and took keys with it.

        Args:
            keys: As many of them as there may be room for.
            number: How many there were.

        """
        ops = Ops()
        ops.add_keys("delete", keys, number)
        about = f'"target":{{"lease":"{lease_name(lease_id)}"}},{ops.member},"deleted":{number}'
        self._changed(caller, who, revision, about, "lease_revoke")

    def changed(
        self,
        method: str,
        request: Any,
        caller: Caller,
        who: Identity | None,
        revision: int,
        *,
        result: str = "",
    ) -> None:
        """
        Tell of any other change.

        Args:
            method: Of the node.
            revision: The store's, which most of them leave as it is.
            result: What came of it, as members of the line's object.

        """
        about = ",".join(filter(None, (describe(request), result)))
        self._changed(caller, who, revision, about, method)

    def lease_granted(self, caller: Caller, who: Identity | None, lease_id: int, ttl: int) -> None:
        """Tell of a new lease, which has no revision."""
        about = f'"target":{{"lease":"{lease_name(lease_id)}","ttl":{ttl}}}'
        self._changed(caller, who, 0, about, "lease_grant")

    def happened(self, event: str, revision: int) -> None:
        """Tell of an event in the life of the server: it starts, it stops."""
        self._refuse(
            f'{{"ts":"{self._now()}","method":{quoted(event)},"peer":"internal",'
            f'"revision":{revision},"code":"OK"}}'
        )

    def alarm_raised(self, alarm: str, member_id: int) -> None:
        """Tell of an alarm that the server has raised itself."""
        about = f'"target":{{"action":"ACTIVATE","alarm":"{alarm}","member":"{member_id:x}"}}'
        self._changed(Internal("quota"), None, 0, about, "alarm")

    # ------------------------------------------------------------------ refusals

    def refused(
        self, error: EtcdError, method: str, request: Any, caller: Caller, who: Identity | None
    ) -> None:
        """Tell of a request that was not let in, or of a change that could not be made."""
        code, text = self._words(error)
        about = describe(request)
        self._refuse(
            f'{{"ts":"{self._now()}",{self._actor(caller, who, method)}{"," if about else ""}'
            f'{about},"code":"{code}",{text_field("error", text)}}}'
        )

    # ------------------------------------------------------------------- helpers

    def _changed(
        self,
        caller: Caller,
        who: Identity | None,
        revision: int,
        about: str,
        method: str = "",
    ) -> None:
        at = f',"revision":{revision}' if revision else ""
        self._change(
            f'{{"ts":"{self._now()}",{self._actor(caller, who, method)}{at}'
            f'{"," if about else ""}{about},"code":"OK"}}'
        )

    def _actor(self, caller: Caller, who: Identity | None, method: str = "") -> str:
        """Return who has called what, as members of a line's object."""
        user = None if who is None else who.user
        return self._named_actor(caller.method or method, user, caller)

    def _named_actor(self, method: str, user: str | None, caller: Caller) -> str:
        key = (method, user, caller.certificate_name, caller.peer(), caller.user_agent)
        found = self._actors.get(key)
        if found is None:
            if len(self._actors) >= _MOST_REMEMBERED:
                self._actors.clear()
            found = self._actors[key] = _actor_fields(*key)
        return found


def _actor_fields(
    method: str, user: str | None, certificate: str | None, peer: str, user_agent: str | None
) -> str:
    parts = [f'"method":{quoted(METHODS.get(method, method))}']
    named = (("user", user), ("certificate", certificate), ("peer", peer))
    for name, text in (*named, ("user_agent", user_agent)):
        if text is not None:
            parts.append(text_field(name, text))
    return ",".join(parts)


def _settle(sink: AuditSink) -> None:
    try:
        sink.settle()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise StorageError(f"cannot write the audit log: {reason}") from error


def gap_line(stamp: str, lost: int) -> str:
    """Return the line that says how many are missing before it."""
    return (
        f'{{"ts":"{stamp}","method":"internal:audit","peer":"internal",'
        f'"lost":{lost},"code":"DATA_LOSS"}}'
    )
