"""
From client URLs to listening sockets.

Sockets are bound before the data directory is touched, so that a port in use is found first and
costs nothing; connections then queue in the kernel until the server is ready to answer them.

"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator

from etcdpy.config import Url
from etcdpy.transport import LISTEN_BACKLOG, remove_dead_socket

__all__ = ["ListenError", "address_of", "bind", "bind_all"]


class ListenError(Exception):
    """An address cannot be listened on; the text is Go's."""


@contextlib.contextmanager
def bind_all(urls: Iterable[Url], *, reuse_port: bool = False) -> Iterator[list[socket.socket]]:
    """
    Listen on every URL for the length of the block.

    Args:
        urls: Where to listen.
        reuse_port: Let other sockets that ask for it too listen on the same ports.

    Raises:
        ListenError: One of them cannot be bound; none stays bound.

    """
    with contextlib.ExitStack() as opened:
        listeners = []
        for url in urls:
            listeners.append(opened.enter_context(bind(url, reuse_port=reuse_port)))
            if url.is_unix:
                # unix(7): closing a socket leaves its file, where clients would go on trying.
                opened.callback(remove_dead_socket, url.socket_path)
        yield listeners


def bind(url: Url, *, reuse_port: bool = False) -> socket.socket:
    """
    Return a listening, non-blocking socket for one URL.

    Raises:
        ListenError: The address is in use, or not ours.

    """
    return _bind_unix(url.socket_path) if url.is_unix else _bind_tcp(url, reuse_port)


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens: ``127.0.0.1:2379``, ``[::1]:2379`` or a path."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return os.fsdecode(name)
    return _join(name[0], name[1])


def _bind_tcp(url: Url, reuse_port: bool) -> socket.socket:
    host, port_text = url.host_port
    # As Go does for a name with addresses of both families, listen on the IPv4 one only.
    host = "127.0.0.1" if host == "localhost" else host
    port = int(port_text or 0)
    if port > 0xFFFF:
        raise ListenError(f"listen tcp: address {port}: invalid port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _refusals(f"listen tcp {_join(host, port)}"):
        listener = socket.socket(family, socket.SOCK_STREAM)
        with _closed_on_error(listener):
            # Without it a restart would have to wait for old connections to time out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, port))
            return _listen(listener)


def _bind_unix(path: str) -> socket.socket:
    with _refusals(f"listen unix {path}"):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _closed_on_error(listener):
            # bind(2) refuses a path that exists, whether anyone listens there or not.
            remove_dead_socket(path)
            listener.bind(path)
            return _listen(listener)


def _listen(listener: socket.socket) -> socket.socket:
    listener.listen(LISTEN_BACKLOG)
    # asyncio takes no others.
    listener.setblocking(False)
    return listener


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def _refusals(prefix: str) -> Iterator[None]:
    """Turn the system's error into Go's sentence about it."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ListenError(f"{prefix}: bind: {reason}") from error


@contextlib.contextmanager
def _closed_on_error(listener: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        listener.close()
        raise
