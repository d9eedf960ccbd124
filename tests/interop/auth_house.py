"""Servers with users: what is in them, and how root comes in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import grpc

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences
from tests.conformance.peers import Peer
from tests.interop.etcdctl import Etcdctl
from tests.support.certificates import Authority
from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.servers import Server

#: Hashing that takes next to no time.
BCRYPT = "--bcrypt-cost=4"

#: The first etcd that asks callers what etcdpy asks them.
SAME_RIGHTS = (3, 7)

ALICES, ROOTS, EMPTY = 0x7001, 0x7002, 0x7003


class Root:
    """
    A connection as root, whose password is ``r``.

    Args:
        credentials: What to connect over TLS with.

    """

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        self.client = Client(address, credentials=credentials)
        self.login()

    def login(self) -> None:
        """Log in, anew if that was done before."""
        request = pb.AuthenticateRequest(name="root", password="r")
        token = self.client.auth.Authenticate(request, timeout=60).token
        self._metadata = (("token", token),)

    def do(self, method: Any, request: Any) -> Any:
        return method(request, metadata=self._metadata, timeout=60)

    def reset(self) -> Mapping[str, int | str]:
        """
        Leave the keys and leases that command lines are about; return the names they have there.

        ``r2`` is a revision that can be compacted.
        """
        client = self.client
        everything = pb.DeleteRangeRequest(key=b"\0", range_end=b"\0")
        self.do(client.kv.DeleteRange, everything)
        for lease in self.do(client.lease.LeaseLeases, pb.LeaseLeasesRequest()).leases:
            self.do(client.lease.LeaseRevoke, pb.LeaseRevokeRequest(ID=lease.ID))
        for lease in (ALICES, ROOTS, EMPTY):
            self.do(client.lease.LeaseGrant, pb.LeaseGrantRequest(ID=lease, TTL=1000))
        held = {b"a/leased": ALICES, b"x": ROOTS}
        revision = 0
        for key in (b"a/1", b"a/2", b"a/leased", b"b", b"bz", b"r/1", b"w/1", b"x"):
            request = pb.PutRequest(key=key, value=b"v", lease=held.get(key, 0))
            revision = self.do(client.kv.Put, request).header.revision
        header = self.do(client.cluster.MemberList, pb.MemberListRequest()).header
        return {
            "r2": revision,
            "own": f"{header.member_id:x}",
            "alices": f"{ALICES:x}",
            "roots": f"{ROOTS:x}",
            "empty": f"{EMPTY:x}",
        }

    def close(self) -> None:
        self.client.close()


def secured(authority: Authority) -> tuple[str, ...]:
    """Return flags for a server over TLS, whose clients have to show a certificate."""
    pair = authority.server()
    url = f"https://127.0.0.1:{free_port()}"
    return (
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority.path}",
        "--client-cert-auth",
    )


def settle_in(etcdctl: Etcdctl, server: Server, *lines: str) -> None:
    """Run command lines that have to succeed, and switch authentication on."""
    for line in (*lines, "user add root:r", "user grant-role root root", "auth enable"):
        done = etcdctl.run(server, line)
        assert done.status == 0, (line, done)


def version_of(server: Server) -> tuple[int, ...]:
    """Return the version of a server that asks nobody who he is."""
    with closing(Peer(server.address)) as peer:
        return differences.version_of(peer)
