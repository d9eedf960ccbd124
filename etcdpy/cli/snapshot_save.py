"""``snapshot save``: a snapshot of a running server, etcdpy or etcd, into a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.storage.datadir import sync_directory
from etcdpy.storage.errors import StorageError
from etcdpy.storage.snapshot_file import check_checksum, has_checksum, open_snapshot

__all__ = ["Endpoint", "SaveError", "save"]

#: What a server answers to a login where nobody has to log in.
_NOT_ENABLED = "etcdserver: authentication is not enabled"

_PRIVATE_FILE = 0o600
_SECURE = "https://"
_PLAIN = "http://"

# Generated service stubs carry no types.
_stubs: Any = rpc_pb2_grpc


class SaveError(StorageError):
    """The server refused, or what it sent is no whole snapshot."""


@dataclass(frozen=True)
class Endpoint:
    """
    A server, and what it takes to be let in.

    Attributes:
        address: ``host:port``, or a URL of http, https or unix.
        certificates: Files of the CA's certificate, of ours and of its key; ``""`` for none.
        user: ``name:password``, or ``""``.

    """

    address: str
    certificates: tuple[str, str, str] = ("", "", "")
    user: str = ""


def save(endpoint: Endpoint, path: Path, progress: Callable[[int, int], None]) -> str:
    """
    Stream a snapshot into ``path``, which appears once it is whole, checked and on disk.

    Args:
        progress: Called with the bytes received so far and those to come.

    Returns:
        The storage version of the server, ``""`` from one older than 3.6.

    Raises:
        SaveError: If the server does not give one.
        StorageError: If what arrived is damaged.
        OSError: If it cannot be written.

    """
    partial = path.with_name(f"{path.name}.part")
    try:
        with _connected(endpoint) as (maintenance, metadata):
            replies = maintenance.Snapshot(pb.SnapshotRequest(), metadata=metadata)
            version = _write(partial, replies, progress)
        _check(partial)
        partial.replace(path)
        sync_directory(path.parent)
    except grpc.RpcError as error:
        failed: Any = error
        raise SaveError(f"{failed.details()} ({failed.code().name})") from error
    finally:
        partial.unlink(missing_ok=True)
    return version


def _write(path: Path, replies: Iterator[Any], progress: Callable[[int, int], None]) -> str:
    version = ""
    received = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(path, flags, _PRIVATE_FILE), "wb") as file:
        for reply in replies:
            file.write(reply.blob)
            version = reply.version or version
            received += len(reply.blob)
            progress(received, reply.remaining_bytes)
        # Before it gets its name: else a power failure could leave the name and no content.
        file.flush()
        os.fsync(file.fileno())
    return version


def _check(path: Path) -> None:
    size = path.stat().st_size
    if not has_checksum(size):
        raise SaveError(f"sha256 checksum not found [bytes: {size}]")
    with open_snapshot(path) as data:
        check_checksum(data)


@contextlib.contextmanager
def _connected(endpoint: Endpoint) -> Iterator[tuple[Any, Sequence[tuple[str, str]]]]:
    """Give a stub, and the metadata its calls need."""
    # gRPC would go through the proxy that the environment names, even to this machine.
    options = [("grpc.enable_http_proxy", 0)]
    target = endpoint.address.removeprefix(_PLAIN).removeprefix(_SECURE)
    if endpoint.address.startswith(_SECURE) or any(endpoint.certificates):
        channel = grpc.secure_channel(target, _credentials(endpoint.certificates), options)
    else:
        channel = grpc.insecure_channel(target, options)
    with channel:
        yield _stubs.MaintenanceStub(channel), _log_in(channel, endpoint.user)


def _credentials(certificates: tuple[str, str, str]) -> grpc.ChannelCredentials:
    ca, certificate, key = (Path(name).read_bytes() if name else None for name in certificates)
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _log_in(channel: grpc.Channel, user: str) -> list[tuple[str, str]]:
    if not user:
        return []
    name, _, password = user.partition(":")
    request = pb.AuthenticateRequest(name=name, password=password)
    try:
        token = _stubs.AuthStub(channel).Authenticate(request).token
    except grpc.RpcError as error:
        failed: Any = error
        if failed.details() != _NOT_ENABLED:
            raise
        # As etcdctl does, which goes on without. (etcd: client/v3/client.go, getToken)
        return []
    return [("token", token)]
