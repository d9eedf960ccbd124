"""
What each method is asked before it is applied: one table, in etcd's order.

Of two mistakes a client hears of the one that etcd finds first, so the order is part of the
protocol. From left to right (etcd: ``v3rpc/quota.go``, ``v3rpc/key.go``, ``v3_server.go``,
``apply/apply.go``)::

    turn        a write waits while a large one goes on in slices
    cost        over --quota-backend-bytes with what it adds? then NOSPACE is raised, too
    form        well formed?
    identity    a token that is none of ours? and for some methods: asked by nobody known?
    size        over --max-request-bytes?
    alarms      CORRUPT keeps every write out, NOSPACE those that cost something
    permission  may that user do it? (``node.guard``)

Identity and permission are asked while authentication is on, and not of the server's own work.
What only the store can tell (a lease that is not there, a revision that is compacted) is asked
when the request is applied.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from etcdpy.errors import EmptyUserError, EtcdError, OldAuthRevisionError
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node import checks
from etcdpy.node.alarms import Alarms
from etcdpy.node.audit import Auditor
from etcdpy.node.caller import Caller
from etcdpy.node.guard import Guard, Who
from etcdpy.node.quota import PUT_OVERHEAD, Quota, RequestLimit, lease_cost, put_cost, txn_cost
from etcdpy.pb import rpc_pb2 as pb

__all__ = ["RULES", "Admission", "Gate", "Rule"]

#: Raises what keeps a request out, or returns who asks: None if that was not to be found out.
Gate = Callable[[Any, Caller], Who]


class Rule(NamedTuple):
    """
    What one method is asked; see above.

    Attributes:
        turn: Whether it waits for a large write to end, which the method itself sees to.
        cost: Returns what it costs, None if it costs nothing.
        form: Raises if it is not well formed; ``check_txn`` is told ``--max-txn-ops`` as well.
        needs_name: Whether somebody known has to ask.
        size: Returns its encoded size, None if nothing bounds that.
        alarms: Whether alarms keep it out.
        permission: What the guard asks; None if it does not even ask for a token to be good.

    """

    turn: bool = False
    cost: Callable[[Any], int] | None = None
    form: Callable[..., None] | None = None
    needs_name: bool = False
    size: Callable[[Any], int] | None = None
    alarms: bool = False
    permission: Callable[[Guard, Any, Who], None] | None = Guard.root


def _txn_size(request: Txn) -> int:
    return request.size


#: By method of the node. A transaction that only reads is a read. Where nothing else is said
#: about it, the permission is that of ``root``.
RULES: dict[str, Rule] = {
    "range": Rule(form=checks.check_range, permission=Guard.read),
    "range_stream": Rule(form=checks.check_range_stream, permission=Guard.read),
    "put": Rule(
        turn=True,
        cost=put_cost,
        form=checks.check_put,
        size=pb.PutRequest.ByteSize,
        alarms=True,
        permission=Guard.put,
    ),
    "delete_range": Rule(
        turn=True,
        form=checks.check_delete_range,
        size=pb.DeleteRangeRequest.ByteSize,
        alarms=True,
        permission=Guard.delete_range,
    ),
    "read_txn": Rule(cost=txn_cost, form=checks.check_txn, permission=Guard.read_txn),
    "txn": Rule(
        turn=True,
        cost=txn_cost,
        form=checks.check_txn,
        size=_txn_size,
        alarms=True,
        permission=Guard.txn,
    ),
    "compact": Rule(turn=True, alarms=True),
    # Asked for each watch that is created, and of none later on.
    "watch": Rule(permission=Guard.watch),
    "lease_grant": Rule(cost=lease_cost, needs_name=True, alarms=True, permission=Guard.anybody),
    "lease_revoke": Rule(turn=True, needs_name=True, alarms=True, permission=Guard.write_lease),
    "lease_keep_alive": Rule(needs_name=True, permission=Guard.write_lease),
    "lease_time_to_live": Rule(needs_name=True, permission=Guard.read_lease),
    "lease_leases": Rule(needs_name=True, permission=Guard.read_leases),
    "member_list": Rule(needs_name=True, permission=Guard.anybody),
    # Its form is checked before, in slices.
    "member_add": Rule(),
    "member_remove": Rule(),
    "member_update": Rule(),
    "member_promote": Rule(),
    "status": Rule(needs_name=True, permission=Guard.anybody),
    "alarm": Rule(form=checks.check_alarm, needs_name=True, permission=Guard.alarm),
    "hash_kv": Rule(),
    "hash": Rule(),
    "defragment": Rule(),
    "move_leader": Rule(),
    "downgrade": Rule(),
    "snapshot": Rule(),
    "auth_enable": Rule(),
    "auth_disable": Rule(),
    "auth_status": Rule(permission=Guard.anybody),
    "authenticate": Rule(size=pb.AuthenticateRequest.ByteSize, permission=None),
    "user_add": Rule(size=pb.AuthUserAddRequest.ByteSize),
    "user_get": Rule(size=pb.AuthUserGetRequest.ByteSize, permission=Guard.own_user),
    "user_list": Rule(),
    "user_delete": Rule(size=pb.AuthUserDeleteRequest.ByteSize),
    "user_change_password": Rule(size=pb.AuthUserChangePasswordRequest.ByteSize),
    "user_grant_role": Rule(size=pb.AuthUserGrantRoleRequest.ByteSize),
    "user_revoke_role": Rule(size=pb.AuthUserRevokeRoleRequest.ByteSize),
    "role_add": Rule(size=pb.AuthRoleAddRequest.ByteSize),
    "role_get": Rule(size=pb.AuthRoleGetRequest.ByteSize, permission=Guard.own_role),
    "role_list": Rule(),
    "role_delete": Rule(size=pb.AuthRoleDeleteRequest.ByteSize),
    "role_grant_permission": Rule(size=pb.AuthRoleGrantPermissionRequest.ByteSize),
    "role_revoke_permission": Rule(size=pb.AuthRoleRevokePermissionRequest.ByteSize),
}


class Admission:
    """
    Makes a gate of each line of the table.

    Args:
        quota: Bounds the database.
        request_limit: Bounds requests.
        alarms: Keep writes out.
        max_txn_ops: ``--max-txn-ops``.
        audit: Is told of all that is kept out.

    Attributes:
        max_txn_ops: As given.
        guard: Says who may do what; None while authentication is off. Gates look at it anew for
            each request.

    """

    def __init__(
        self,
        quota: Quota,
        request_limit: RequestLimit,
        alarms: Alarms,
        max_txn_ops: int,
        audit: Auditor | None = None,
    ) -> None:
        self._quota = quota
        self._request_limit = request_limit
        self._alarms = alarms
        self.max_txn_ops = max_txn_ops
        self.guard: Guard | None = None
        self._audit = audit
        self._gates = {method: self._gate(rule) for method, rule in RULES.items()}
        if audit is not None:
            for method, gate in self._gates.items():
                self._gates[method] = self._audited(method, gate, audit)

    def gate(self, method: str) -> Gate:
        """Return what lets a method's requests in, or raises what is wrong first."""
        return self._gates[method]

    def plain_put_gate(self) -> Callable[[pb.PutRequest, int], None]:
        """
        Return the gate of well formed Puts that nobody has to be known for, and no audit log told.

        It is given the request, and the bytes of key and value; it asks what is left of that line
        of the table, in its order.
        """
        check_quota, check_size = self._quota.check, self._request_limit.check
        check_alarms, size_of = self._alarms.check_write, pb.PutRequest.ByteSize

        def admit(request: pb.PutRequest, size: int) -> None:
            check_quota(PUT_OVERHEAD + size)
            check_size(size_of(request))
            check_alarms(True)

        return admit

    @property
    def auth_revision(self) -> int | None:
        """The revision of the users and roles who are asked, None while nobody is."""
        return None if self.guard is None else self.guard.revision

    def check_unchanged(self, asked: int | None) -> None:
        """
        Keep back what was read for a caller that may have lost its rights meanwhile.

        Args:
            asked: The ``auth_revision`` when the caller was asked.

        Raises:
            OldAuthRevisionError: If users or roles have changed since. (etcd: ``doSerialize``)

        """
        if asked is not None and self.auth_revision != asked:
            raise OldAuthRevisionError

    def refused(self, error: EtcdError, method: str, request: Any, caller: Caller) -> None:
        """Have the audit log tell of what was refused, of which no gate knows."""
        if self._audit is not None:
            self._audit.refused(error, method, request, caller, self._who(caller))

    def _who(self, caller: Caller) -> Who:
        """Return who asks, as far as that can be told."""
        if self.guard is None or caller.is_trusted:
            return None
        try:
            return self.guard.identify(caller)
        except EtcdError:
            return None

    def _audited(self, method: str, gate: Gate, audit: Auditor) -> Gate:
        def admit(request: Any, caller: Caller) -> Who:
            try:
                return gate(request, caller)
            except EtcdError as error:
                audit.refused(error, method, request, caller, self._who(caller))
                raise

        return admit

    def _gate(self, rule: Rule) -> Gate:
        cost_of, size_of, has_alarms = rule.cost, rule.size, rule.alarms
        check_form = rule.form
        if check_form is checks.check_txn:
            check_form = partial(checks.check_txn, max_ops=self.max_txn_ops)
        check_quota, check_size = self._quota.check, self._request_limit.check
        check_alarms = self._alarms.check_write
        needs_name, permit = rule.needs_name, rule.permission

        def admit(request: Any, caller: Caller) -> Who:
            cost = 0
            if cost_of is not None:
                cost = cost_of(request)
                check_quota(cost)
            if check_form is not None:
                check_form(request)
            guard, who = self.guard, None
            if guard is not None and (permit is None or caller.is_trusted):
                guard = None
            if guard is not None:
                who = guard.identify(caller)
                if needs_name and who is None:
                    raise EmptyUserError
            if size_of is not None:
                check_size(size_of(request))
            if has_alarms:
                check_alarms(cost > 0)
            if guard is not None and permit is not None:
                permit(guard, request, who)
            return who

        return admit
