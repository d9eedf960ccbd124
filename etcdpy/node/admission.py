"""
What each method is asked before it is applied: one table, in etcd's order.

Of two mistakes a client hears of the one that etcd finds first, so the order is part of the
protocol. From left to right (etcd: ``v3rpc/quota.go``, ``v3rpc/key.go``, ``v3_server.go``,
``apply/apply.go``)::

    turn        a write waits while a large one goes on in slices
    cost        over --quota-backend-bytes with what it adds? then NOSPACE is raised, too
    form        well formed?
    identity    asked by somebody known? (``Guard``)
    size        over --max-request-bytes?
    alarms      CORRUPT keeps every write out, NOSPACE those that cost something
    permission  may that user do it? (``Guard``)

What only the store can tell (a lease that is not there, a revision that is compacted) is asked
when the request is applied.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from etcdpy.mvcc.txn_request import Txn
from etcdpy.node import checks
from etcdpy.node.alarms import Alarms
from etcdpy.node.caller import Caller
from etcdpy.node.quota import Quota, RequestLimit, lease_cost, put_cost, txn_cost
from etcdpy.pb import rpc_pb2 as pb

__all__ = ["RULES", "Admission", "Gate", "Guard", "Rule"]

#: Raises what keeps a request out.
Gate = Callable[[Any, Caller], None]


class Guard(Protocol):
    """Says who may do what; there is none while authentication is off."""

    def identify(self, caller: Caller) -> None:
        """Raise if ``caller`` is nobody that is known."""

    def permit(self, method: str, request: Any, caller: Caller) -> None:
        """Raise if ``caller`` may not have ``request`` done."""


class Rule(NamedTuple):
    """
    What one method is asked; see above.

    Attributes:
        turn: Whether it waits for a large write to end, which the method itself sees to.
        cost: Returns what it costs, None if it costs nothing.
        form: Raises if it is not well formed; ``check_txn`` is told ``--max-txn-ops`` as well.
        size: Returns its encoded size, None if nothing bounds that.
        alarms: Whether alarms keep it out.

    """

    turn: bool = False
    cost: Callable[[Any], int] | None = None
    form: Callable[..., None] | None = None
    size: Callable[[Any], int] | None = None
    alarms: bool = False


def _txn_size(request: Txn) -> int:
    return request.size


#: By method of the node. A transaction that only reads is a read.
RULES: dict[str, Rule] = {
    "range": Rule(form=checks.check_range),
    "range_stream": Rule(form=checks.check_range_stream),
    "put": Rule(
        turn=True, cost=put_cost, form=checks.check_put, size=pb.PutRequest.ByteSize, alarms=True
    ),
    "delete_range": Rule(
        turn=True,
        form=checks.check_delete_range,
        size=pb.DeleteRangeRequest.ByteSize,
        alarms=True,
    ),
    "read_txn": Rule(cost=txn_cost, form=checks.check_txn),
    "txn": Rule(turn=True, cost=txn_cost, form=checks.check_txn, size=_txn_size, alarms=True),
    "compact": Rule(turn=True, alarms=True),
    "watch": Rule(),
    "lease_grant": Rule(cost=lease_cost, alarms=True),
    "lease_revoke": Rule(turn=True, alarms=True),
    "lease_keep_alive": Rule(),
    "lease_time_to_live": Rule(),
    "lease_leases": Rule(),
    "member_list": Rule(),
    "member_add": Rule(),
    "member_remove": Rule(),
    "member_update": Rule(),
    "member_promote": Rule(),
    "status": Rule(),
    "alarm": Rule(form=checks.check_alarm),
    "hash_kv": Rule(),
    "hash": Rule(),
    "defragment": Rule(),
    "move_leader": Rule(),
    "downgrade": Rule(form=checks.check_downgrade),
    "snapshot": Rule(),
}


class Admission:
    """
    Makes a gate of each line of the table.

    Args:
        quota: Bounds the database.
        request_limit: Bounds requests.
        alarms: Keep writes out.
        max_txn_ops: ``--max-txn-ops``.
        guard: Says who may do what, None if everybody may do everything.

    """

    def __init__(
        self,
        quota: Quota,
        request_limit: RequestLimit,
        alarms: Alarms,
        max_txn_ops: int,
        guard: Guard | None = None,
    ) -> None:
        self._quota = quota
        self._request_limit = request_limit
        self._alarms = alarms
        self._max_txn_ops = max_txn_ops
        self.guard = guard

    def gate(self, method: str) -> Gate:
        """Return what lets a method's requests in, or raises what is wrong first."""
        rule = RULES[method]
        cost_of, size_of, has_alarms = rule.cost, rule.size, rule.alarms
        check_form = rule.form
        if check_form is checks.check_txn:
            check_form = partial(checks.check_txn, max_ops=self._max_txn_ops)
        check_quota, check_size = self._quota.check, self._request_limit.check
        check_alarms, guard = self._alarms.check_write, self.guard

        def admit(request: Any, caller: Caller) -> None:
            cost = 0
            if cost_of is not None:
                cost = cost_of(request)
                check_quota(cost)
            if check_form is not None:
                check_form(request)
            if guard is not None:
                guard.identify(caller)
            if size_of is not None:
                check_size(size_of(request))
            if has_alarms:
                check_alarms(cost > 0)
            if guard is not None:
                guard.permit(method, request, caller)

        return admit
