"""A user who may read and write what the workloads use, and authentication switched on."""

from __future__ import annotations

from google.protobuf.message import Message

from bench.http2 import Connection, methods
from bench.servers import Server
from etcdpy.pb import auth_pb2, rpc_pb2

#: Ranges that the user may use, one of which is that of the workloads.
RANGES = [(b"/app%d/" % number, b"/app%d0" % number) for number in range(20)]
RANGES.append((b"/bench/", b"/bench0"))


def log_in(server: Server) -> str:
    """Make root and one more user, switch authentication on, and return that user's token."""
    for user in ("root", "app"):
        _call(server, "UserAdd", rpc_pb2.AuthUserAddRequest(name=user, password="p"))
        _call(server, "RoleAdd", rpc_pb2.AuthRoleAddRequest(name=user))
        _call(server, "UserGrantRole", rpc_pb2.AuthUserGrantRoleRequest(user=user, role=user))
    for key, range_end in RANGES:
        kind = auth_pb2.Permission.READWRITE
        permission = auth_pb2.Permission(permType=kind, key=key, range_end=range_end)
        grant = rpc_pb2.AuthRoleGrantPermissionRequest(name="app", perm=permission)
        _call(server, "RoleGrantPermission", grant)
    _call(server, "AuthEnable", rpc_pb2.AuthEnableRequest())
    login = rpc_pb2.AuthenticateRequest(name="app", password="p")
    return rpc_pb2.AuthenticateResponse.FromString(_call(server, "Authenticate", login)).token


def _call(server: Server, name: str, request: Message) -> bytes:
    (method,) = methods(server.authority, f"/etcdserverpb.Auth/{name}")
    connection = Connection(server.address)
    try:
        return connection.call(method.first_request(request.SerializeToString()))
    finally:
        connection.close()
