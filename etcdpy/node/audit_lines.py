"""
What a line of the audit log says of a request: its keys, or what else it is about.

Pure, and written so that nothing else can get in: each kind of request names the fields that are
told, and no value, password, hash or token is among them. ::

    Put of "a"                "ops":[{"op":"put","key":"a"}]
    deletion of ff to fffe    "ops":[{"op":"delete","key_base64":"/w==","range_end_base64":"//4="}]
    key of a megabyte         "ops":[{"op":"put","key":"its first KiB","key_bytes":1048576}]
    transaction of very many  "ops":[...],"ops_cut":100
    new user                  "target":{"user":"bob"}
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final

from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, TXN, Op, Txn
from etcdpy.mvcc.within import OpResult, TxnResult
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission

__all__ = [
    "MOST_OF_A_KEY",
    "MOST_OF_OPS",
    "Ops",
    "bytes_field",
    "describe",
    "lease_name",
    "put_fields",
    "quoted",
    "range_fields",
    "text_field",
]

#: Bytes of a key, or of any other text, that are written down.
MOST_OF_A_KEY: Final = 1024
#: Characters of all operations of a line.
MOST_OF_OPS: Final = 32 << 10

#: Returns a text as JSON, in C.
quoted: Final[Callable[[str], str]] = encode_basestring


def bytes_field(name: str, data: bytes) -> str:
    """Return a member of an object: text if the bytes are UTF-8, or else ``…_base64``."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        shown = b64encode(data[:MOST_OF_A_KEY]).decode()
        return f'"{name}_base64":"{shown}"{_length(name, data)}'
    if len(data) <= MOST_OF_A_KEY:
        return f'"{name}":{quoted(text)}'
    # Only its last character can be cut in two.
    shown = data[:MOST_OF_A_KEY].decode(errors="ignore")
    return f'"{name}":{quoted(shown)}{_length(name, data)}'


def text_field(name: str, text: str) -> str:
    """Return the same of a text."""
    return bytes_field(name, text.encode(errors="backslashreplace"))


def lease_name(lease_id: int) -> str:
    """Return a lease's id as ``etcdctl`` shows it."""
    return f"{lease_id:016x}" if lease_id >= 0 else f"-{-lease_id:016x}"


def _length(name: str, data: bytes) -> str:
    return f',"{name}_bytes":{len(data)}' if len(data) > MOST_OF_A_KEY else ""


class Ops:
    """The operations of a line, as many as there is room for."""

    __slots__ = ("_cut", "_parts", "_room")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = MOST_OF_OPS
        self._cut = 0

    def add(self, op: str, fields: str) -> None:
        """Add one; ``fields`` are the members of its object."""
        self._room -= len(fields) + 20
        # In order: behind the first that is left out are no others.
        if self._room < 0:
            self._cut += 1
        else:
            self._parts.append(f'{{"op":"{op}",{fields}}}')

    def add_keys(self, op: str, keys: Iterable[bytes], number: int) -> None:
        """Add one for each of a ``number`` of keys, looking at no more than there is room for."""
        added = 0
        for key in keys:
            if self._room < 0:
                break
            self.add(op, bytes_field("key", key))
            added += 1
        self._cut += number - added

    @property
    def member(self) -> str:
        """The members of the line's object."""
        listed = f'"ops":[{",".join(self._parts)}]'
        return f'{listed},"ops_cut":{self._cut}' if self._cut else listed

    # -------------------------------------------------------------- transactions

    def add_result(self, request: Txn, result: TxnResult) -> None:
        """Add what a transaction has written, which is of the branch it took."""
        puts = request.success_puts if result.succeeded else request.failure_puts
        if puts is not None and self._room < 0:
            self._cut += len(puts.keys)
            return
        ops = request.success if result.succeeded else request.failure
        if self._room < 0 and _has_no_other_in_it(ops):
            self._cut += sum([kind != RANGE for kind, _ in ops])
            return
        for (kind, op), found in zip(ops, result.results, strict=True):
            self._add_op(kind, op, found)

    def _add_op(self, kind: str | None, op: Any, found: OpResult) -> None:
        if self._room < 0 and kind != TXN:
            # Not even put into words: a request may have a hundred thousand of them.
            self._cut += kind != RANGE
        elif kind == PUT:
            self.add("put", put_fields(op))
        elif kind == DELETE:
            self.add("delete", f'{range_fields(op)},"deleted":{found[2].number}')
        elif kind == TXN:
            self.add_result(op, found[2])

    def add_wanted(self, request: Txn) -> None:
        """Add all that a transaction names: what it compares, and what both branches do."""
        if self._room < 0 and _has_no_other_in_it(request.success + request.failure):
            ops = request.success + request.failure
            self._cut += len(request.compare) + sum([kind is not None for kind, _ in ops])
            return
        for compare in request.compare:
            if self._room < 0:
                self._cut += 1
            else:
                self.add("compare", range_fields(compare))
        for kind, op in (*request.success, *request.failure):
            self._add_wanted(kind, op)

    def _add_wanted(self, kind: str | None, op: Any) -> None:
        if self._room < 0 and kind != TXN:
            self._cut += kind is not None
        elif kind == PUT:
            self.add("put", put_fields(op))
        elif kind == DELETE:
            self.add("delete", range_fields(op))
        elif kind == RANGE:
            self.add("range", range_fields(op))
        elif kind == TXN:
            self.add_wanted(op)


def _has_no_other_in_it(ops: list[Op]) -> bool:
    """Tell that of operations none is a transaction: then they are counted, and that is all."""
    return TXN not in [kind for kind, _ in ops]


def put_fields(request: pb.PutRequest) -> str:
    """Return the members of a put."""
    key = bytes_field("key", request.key)
    return f'{key},"lease":"{lease_name(request.lease)}"' if request.lease else key


def range_fields(request: Any) -> str:
    """Return the members of whatever has a key and may have the end of a range."""
    key = bytes_field("key", request.key)
    return f"{key},{bytes_field('range_end', request.range_end)}" if request.range_end else key


# --------------------------------------------------------------------------- requests


def describe(request: Any) -> str:
    """Return what a request is about, as members of a line's object; empty if there is nothing."""
    kind = type(request)
    if isinstance(request, Txn):
        ops = Ops()
        ops.add_wanted(request)
        return ops.member
    name = _OPS.get(kind)
    if name is not None:
        ops = Ops()
        ops.add(name, put_fields(request) if name == "put" else range_fields(request))
        return ops.member
    about = _TARGETS.get(kind)
    if about is None:
        return ""
    return f'"target":{{{",".join(about(request))}}}'


_OPS: Mapping[type, str] = {
    pb.RangeRequest: "range",
    pb.PutRequest: "put",
    pb.DeleteRangeRequest: "delete",
    pb.WatchCreateRequest: "watch",
}

_Fields = list[str]


def _compaction(request: pb.CompactionRequest) -> _Fields:
    return [f'"revision":{request.revision}']


def _lease(request: Any) -> _Fields:
    return [f'"lease":"{lease_name(request.ID)}"']


def _grant(request: pb.LeaseGrantRequest) -> _Fields:
    return [*(_lease(request) if request.ID else ()), f'"ttl":{request.TTL}']


def _member(request: Any) -> _Fields:
    return [f'"member":"{request.ID:x}"']


def _transferee(request: pb.MoveLeaderRequest) -> _Fields:
    return [f'"member":"{request.targetID:x}"']


def _new_member(request: pb.MemberAddRequest) -> _Fields:
    return [_urls(request.peerURLs), f'"learner":{"true" if request.isLearner else "false"}']


def _other_urls(request: pb.MemberUpdateRequest) -> _Fields:
    return [*_member(request), _urls(request.peerURLs)]


def _urls(urls: Iterable[str]) -> str:
    shown = ",".join(urls).encode(errors="backslashreplace")
    return bytes_field("peer_urls", shown)


def _alarm(request: pb.AlarmRequest) -> _Fields:
    return [
        f'"action":"{_name_of(pb.AlarmRequest.AlarmAction, request.action)}"',
        f'"alarm":"{_name_of(pb.AlarmType, request.alarm)}"',
        f'"member":"{request.memberID:x}"',
    ]


def _downgrade(request: pb.DowngradeRequest) -> _Fields:
    action = _name_of(pb.DowngradeRequest.DowngradeAction, request.action)
    return [f'"action":"{action}"', text_field("version", request.version)]


def _name_of(enum: Any, number: int) -> str:
    # A client may send numbers that have no name.
    return str(enum.Name(number)) if number in enum.values() else str(number)


def _user(request: Any) -> _Fields:
    return [text_field("user", request.name)]


def _role(request: Any) -> _Fields:
    return [text_field("role", request.role)]


def _new_role(request: pb.AuthRoleAddRequest) -> _Fields:
    return [text_field("role", request.name)]


def _granted_role(request: pb.AuthUserGrantRoleRequest) -> _Fields:
    return [text_field("user", request.user), *_role(request)]


def _revoked_role(request: pb.AuthUserRevokeRoleRequest) -> _Fields:
    return [*_user(request), *_role(request)]


def _granted(request: pb.AuthRoleGrantPermissionRequest) -> _Fields:
    role = text_field("role", request.name)
    if not request.HasField("perm"):
        return [role]
    kind = _name_of(Permission.Type, request.perm.permType)
    return [role, f'"permission":"{kind}"', range_fields(request.perm)]


def _revoked(request: pb.AuthRoleRevokePermissionRequest) -> _Fields:
    return [*_role(request), range_fields(request)]


_TARGETS: Mapping[type, Callable[[Any], _Fields]] = {
    pb.CompactionRequest: _compaction,
    pb.LeaseGrantRequest: _grant,
    pb.LeaseRevokeRequest: _lease,
    pb.LeaseKeepAliveRequest: _lease,
    pb.LeaseTimeToLiveRequest: _lease,
    pb.MemberAddRequest: _new_member,
    pb.MemberRemoveRequest: _member,
    pb.MemberUpdateRequest: _other_urls,
    pb.MemberPromoteRequest: _member,
    pb.MoveLeaderRequest: _transferee,
    pb.AlarmRequest: _alarm,
    pb.DowngradeRequest: _downgrade,
    pb.AuthenticateRequest: _user,
    pb.AuthUserAddRequest: _user,
    pb.AuthUserGetRequest: _user,
    pb.AuthUserDeleteRequest: _user,
    pb.AuthUserChangePasswordRequest: _user,
    pb.AuthUserGrantRoleRequest: _granted_role,
    pb.AuthUserRevokeRoleRequest: _revoked_role,
    pb.AuthRoleAddRequest: _new_role,
    pb.AuthRoleGetRequest: _role,
    pb.AuthRoleDeleteRequest: _role,
    pb.AuthRoleGrantPermissionRequest: _granted,
    pb.AuthRoleRevokePermissionRequest: _revoked,
}
