"""The Lock service: a queue of keys, whose head holds the lock."""

from __future__ import annotations

from typing import Any

from etcdpy.concurrency.queues import Queue, Queues
from etcdpy.errors import SessionExpiredError
from etcdpy.pb import v3lock_pb2
from etcdpy.services.codes import embedded
from etcdpy.transport import inline, patient


class LockService:
    """Lock and Unlock."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    @inline
    @patient
    @embedded
    async def Lock(self, request: v3lock_pb2.LockRequest, context: Any) -> v3lock_pb2.LockResponse:
        """Wait for the lock; whoever stops waiting leaves nothing in the queue."""
        queues, queue = self._queues, Queue(request.name)
        lease = request.lease
        del request
        lease = await queues.session(lease, context)
        key = queue.key(lease)
        entry = await queues.enter(queue, lease, b"", context, with_head=True)
        # At the head already: no range, no watch. (etcd: client/v3/concurrency/mutex.go, Lock)
        if entry.head_created == entry.created:
            return v3lock_pb2.LockResponse(header=queues.header(entry.revision), key=key)
        try:
            now = await queues.wait_for_turn(queue, entry.created, context, key)
            is_there = queues.exists(key, now, context)
        except BaseException:
            queues.leave(key, entry.created, context)
            raise
        # Its lease may have ended while it waited for others. (etcd: mutex.go, ErrSessionExpired)
        if not is_there:
            raise SessionExpiredError
        return v3lock_pb2.LockResponse(header=queues.header(now), key=key)

    @inline
    @embedded
    async def Unlock(
        self, request: v3lock_pb2.UnlockRequest, context: Any
    ) -> v3lock_pb2.UnlockResponse:
        """Delete a key, whoever's it is; that it was not there is no error."""
        queues = self._queues
        revision = await queues.delete(request.key, context)
        return v3lock_pb2.UnlockResponse(header=queues.header(revision))
