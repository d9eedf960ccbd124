"""
Requests on keys that are answered in the step of the loop in which they are asked, as most are.

Here a server's time goes, so it knows no coroutine and no generator: what has to wait for its turn,
or could take long, is handed to ``Longer``.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias

from etcdpy.clock import stopwatch
from etcdpy.cooperative import DeferredReply, LongReply, Pieces
from etcdpy.errors import EtcdError, LeaseNotFoundError
from etcdpy.mvcc import replies, txn
from etcdpy.mvcc.ranges import names_newest_of_one
from etcdpy.mvcc.short_txn import apply_short, is_short, read_short
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.node.caller import Caller
from etcdpy.node.crowd import MOST, Crowd
from etcdpy.node.guard import Who
from etcdpy.node.parts import Parts
from etcdpy.pb import rpc_pb2 as pb

__all__ = ["LARGE", "Answer", "AtOnce", "Late", "Longer", "Reply"]

#: An encoded response, which goes out as it is.
Reply: TypeAlias = bytes | Pieces

#: What a method that has to wait returns in the end. Only callers get a long reply who take it.
Late: TypeAlias = Reply | DeferredReply | LongReply

#: What a method returns: a reply, one to be held back until it is on the disk, or what leads to
#: either. ``cooperative.outcome`` makes a reply of any of them.
Answer: TypeAlias = Reply | DeferredReply | Coroutine[Any, Any, Late]

#: A reply of so many bytes is put to its client's account while it waits for the disk.
LARGE = 4096


class Longer(NamedTuple):
    """
    What is done with a request that is not answered at once.

    Attributes:
        range: Reads keys, however long it takes.
        in_turn: Asks a method again when the write that goes on is done.
        refuse: Raises an error when the state from which it was judged is durable.
        keep: Puts so many bytes to a caller's account until what is waited for is resolved.
        read_first: Reads a transaction whose request is not read yet, then asks again.
        read_later: Asks again when a long read of the same client has ended.
        read_txn: Answers a transaction that only reads, and has been let in.
        write_txn: Applies one that writes, and has been let in.

    """

    range: Callable[[pb.RangeRequest, Caller], Answer]
    in_turn: Callable[[Callable[[Any, Caller], Answer], Any, Caller], Answer]
    refuse: Callable[[EtcdError], Answer]
    keep: Callable[[int, Future[None] | None, Caller], None]
    read_first: Callable[[LongTxn, Caller], Answer]
    read_later: Callable[[Txn, Caller], Answer]
    read_txn: Callable[[Txn, Caller], Answer]
    write_txn: Callable[[Txn, Caller, Who], Answer]


class AtOnce:
    """
    The methods of ``KeyValues`` that are asked most.

    Args:
        parts: What the node is made of.
        crowd: Its long reads.
        longer: Does what is not done here.

    """

    def __init__(self, parts: Parts, crowd: Crowd, longer: Longer) -> None:
        # Looked up once: they are asked for each request.
        self._store = parts.store
        self._log = parts.store.log
        self._writer = parts.writer
        self._headers = parts.headers
        self._audit = parts.audit
        self._slow = parts.slow
        self._times_all = parts.slow.is_close
        self._operations = parts.store.operations
        self._lease_exists = parts.leases.lessor.__contains__
        self._admission = parts.admission
        self._admit_plain_put = parts.admission.plain_put_gate()
        self._admit_put = parts.admission.gate("put")
        self._admit_txn = parts.admission.gate("txn")
        self._admit_read_txn = parts.admission.gate("read_txn")
        self._crowd = crowd
        self._longer = longer

    def range(self, request: pb.RangeRequest, caller: Caller) -> Answer:
        """
        Read keys, at the durable revision: a linearizable read needs no more.

        Returns:
            An encoded RangeResponse.

        """
        # Fast path (bench: range/100x1, range/1000x1): the most frequent request of all, in less
        # than half of the time of what could go in slices. It is well formed by its looks, so
        # only the guard is left to be asked.
        if not self._times_all and names_newest_of_one(request):
            if (guard := self._admission.guard) is not None:
                try:
                    guard.read_key(request.key, caller)
                except EtcdError as error:
                    self._admission.refused(error, "range", request, caller)
                    raise
            self._operations.ranges += 1
            newest = self._store.durable_revision
            row = self._store.get(request.key, newest)
            return replies.one_key_reply(self._headers.at(newest), row)
        return self._longer.range(request, caller)

    def put(self, request: pb.PutRequest, caller: Caller) -> Answer:
        """
        Write one key.

        Returns:
            An encoded PutResponse, to be held back until the write is durable.

        """
        if self._writer.busy is not None:
            return self._longer.in_turn(self.put, request, caller)
        # Fast path (bench: put/100x1): what most are, in nine tenths of the time.
        if (
            self._audit is None
            and self._admission.guard is None
            and (key := request.key)
            and not (request.prev_kv or request.ignore_value or request.ignore_lease)
        ):
            return self._plain_put(request, key)
        who = self._admit_put(request, caller)
        store, operations = self._store, self._operations
        ranges = operations.ranges
        try:
            txn.check_put(store, request, self._lease_exists)
        except EtcdError as error:
            if self._audit is not None:
                self._audit.refused(error, "put", request, caller, who)
            # Judged from a state that may not be durable yet (D2).
            return self._longer.refuse(error)
        began = stopwatch() if self._times_all else 0.0
        write = store.begin()
        previous = txn.put(store, write, request)
        if operations.ranges != ranges:
            # What was there before is read once, for all that is asked about it.
            operations.ranges = ranges + 1
            operations.txns += 1
        sequence = write.commit()
        if self._audit is not None:
            self._audit.put(request, caller, who, write.revision)
        reply = replies.put_reply(self._headers.at(write.revision), previous)
        if began:
            self._slow.applied(request, reply, stopwatch() - began)
        ready = self._log.until(sequence)
        if previous is not None and len(previous) >= LARGE:
            self._longer.keep(len(previous), ready, caller)
        return DeferredReply(reply, ready)

    def _plain_put(self, request: pb.PutRequest, key: bytes) -> Answer:
        """Write a key of which nothing else is asked, for somebody who need not be known."""
        value, lease = request.value, request.lease
        self._admit_plain_put(request, len(key) + len(value))
        if lease and not self._lease_exists(lease):
            return self._longer.refuse(LeaseNotFoundError())
        began = stopwatch() if self._times_all else 0.0
        write = self._store.begin()
        write.put(key, value, lease)
        sequence = write.commit()
        reply = replies.put_reply(self._headers.at(write.revision), None)
        if began:
            self._slow.applied(request, reply, stopwatch() - began)
        return DeferredReply(reply, self._log.until(sequence))

    def txn(self, request: Txn, caller: Caller) -> Answer:
        """
        Apply a transaction, or answer one that only reads from the durable revision.

        Returns:
            An encoded TxnResponse.

        """
        if type(request) is LongTxn and request.data is not None:
            return self._longer.read_first(request, caller)
        # A read goes past raft in etcd: no size and no alarm keeps it out.
        # (etcd: v3_server.go, Txn)
        if txn.is_read_only(request):
            crowd = self._crowd.going
            if crowd and crowd.get(caller.peer(), 0) >= MOST:
                return self._longer.read_later(request, caller)
            self._admit_read_txn(request, caller)
            revision = self._store.durable_revision
            if is_short(request) and not self._times_all:
                return read_short(self._store, request, revision, self._headers.at(revision))
            return self._longer.read_txn(request, caller)
        if self._writer.busy is not None:
            return self._longer.in_turn(self.txn, request, caller)
        who = self._admit_txn(request, caller)
        # Fast path (bench: txn-put/100x1, txn/100x1): what most are, in half of the time of what
        # could go in slices. The audit log wants to know more of it than the reply tells.
        if self._audit is None and is_short(request):
            return self._short_txn(request, caller)
        return self._longer.write_txn(request, caller, who)

    def _short_txn(self, request: Txn, caller: Caller) -> Answer:
        began = stopwatch()
        write = self._store.begin()
        try:
            reply = apply_short(self._store, write, request, self._lease_exists, self._headers)
        except EtcdError as error:
            return self._longer.refuse(error)
        except Exception as error:
            raise self._writer.fail(error) from error
        ready = self._log.until(write.commit())
        self._slow.applied(request, reply, stopwatch() - began)
        if len(reply) >= LARGE:
            self._longer.keep(len(reply), ready, caller)
        return DeferredReply(reply, ready)
