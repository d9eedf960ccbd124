"""Client URLs become listening sockets, or an error in Go's words."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from etcdpy.config import Url
from etcdpy.config.urls import parse_urls
from etcdpy.server.listeners import ListenError, address_of, bind, bind_all
from tests.support.ports import free_port


def one(text: str) -> Url:
    (url,) = parse_urls(text)
    return url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tcp_socket_accepts_where_it_says(host: str) -> None:
    with bind(one(f"http://{host}:0")) as listener:
        address, port = address_of(listener).split(":")
        assert address == "127.0.0.1"
        socket.create_connection((address, int(port)), timeout=60).close()
        assert listener.getblocking() is False


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_address_of_ipv6_is_in_brackets() -> None:
    with bind(one("http://[::1]:0")) as listener:
        assert address_of(listener) == f"[::1]:{listener.getsockname()[1]}"


def test_missing_port_is_a_free_one() -> None:
    with bind(one("http://127.0.0.1:")) as listener:
        assert listener.getsockname()[1] > 0


def test_unix_socket_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with bind_all([one(f"unix://{path}")]) as (listener,):
        assert address_of(listener) == str(path)
        assert path.is_socket()
    assert not path.exists()


def test_port_may_be_shared_by_those_that_agree_to_it() -> None:
    with bind_all([one("http://127.0.0.1:0")], reuse_port=True) as (first,):
        url = one(f"http://{address_of(first)}")
        with bind_all([url], reuse_port=True) as (second,):
            assert address_of(second) == address_of(first)
        with pytest.raises(ListenError):
            bind(url)


def test_one_that_fails_closes_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        in_use = taken.getsockname()[1]
        urls = [one(f"http://127.0.0.1:{free_port()}"), one(f"http://127.0.0.1:{in_use}")]
        with pytest.raises(ListenError) as error, bind_all(urls):
            pass
        text = f"listen tcp 127.0.0.1:{in_use}: bind: address already in use"
        assert str(error.value) == text
        with bind(urls[0]):
            pass


def test_directory_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "x.sock"
    with pytest.raises(ListenError) as error:
        bind(one(f"unix://{path}"))
    assert str(error.value) == f"listen unix {path}: bind: no such file or directory"


def test_address_of_another_machine() -> None:
    with pytest.raises(ListenError) as error:
        bind(one("http://192.0.2.1:0"))
    text = "listen tcp 192.0.2.1:0: bind: cannot assign requested address"
    assert str(error.value) == text


def test_path_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=r"^listen unix .*: bind: "):
        bind(one(f"unix://{tmp_path}/{'x' * 200}"))
