"""The transport gets its limits from the settings, with etcd's special values."""

from typing import Any

import pytest

from etcdpy.clock import SystemClock
from etcdpy.config import Config
from etcdpy.config.urls import parse_urls
from etcdpy.http.paths import STREAMED
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.server.transports import http_server, make_transport, options_of
from etcdpy.transport import Server, ServerOptions
from etcdpy.transport.aio.grpcio import ReferenceServer


def options(**settings: Any) -> ServerOptions:
    return options_of(Config(**settings))


def test_settings_name_the_transport() -> None:
    assert type(make_transport(Config(), SystemClock(), SlowRequests())) is Server
    assert (
        type(make_transport(Config(transport="grpcio"), SystemClock(), SlowRequests()))
        is ReferenceServer
    )


def test_defaults_are_etcds() -> None:
    assert options() == ServerOptions(
        max_receive_message=1572864 + 524288,
        max_concurrent_streams=None,
        keepalive_interval=7200,
        keepalive_timeout=20,
        keepalive_min_time=5,
        stopped_message="etcdserver: server stopped",
        full_message="etcdserver: memory budget exceeded",
        max_http_body=6 * (1572864 + 524288) + 1,
        streamed_paths=STREAMED,
    )


@pytest.mark.parametrize(
    ("transport", "urls", "share"), [("native", 2, 9), ("grpcio", 2, 4), ("grpcio", 1, 9)]
)
def test_places_for_connections_are_shared_by_all_addresses(
    transport: str, urls: int, share: int
) -> None:
    listening = tuple(parse_urls(",".join(f"http://127.0.0.1:{port}" for port in range(urls))))
    config = Config(transport=transport, listen_client_urls=listening)
    made = make_transport(config, SystemClock(), SlowRequests(), connections=9)
    assert made.options.max_connections == share


def test_server_of_http_beside_grpcio_has_a_share_of_them() -> None:
    metrics = tuple(parse_urls("http://127.0.0.1:1"))
    config = Config(transport="grpcio", listen_metrics_urls=metrics)
    made = make_transport(config, SystemClock(), SlowRequests(), connections=9)
    http = http_server(made)
    assert (made.options.max_connections, http.options.max_connections) == (4, 4)
    assert http is not made


def test_native_transport_speaks_http_itself() -> None:
    made = make_transport(Config(), SystemClock(), SlowRequests())
    assert http_server(made) is made


def test_largest_message_leaves_room_around_the_largest_request() -> None:
    assert options(max_request_bytes=0).max_receive_message == 524288


@pytest.mark.parametrize(("setting", "limit"), [(0, None), (2**32 - 1, None), (1, 1), (500, 500)])
def test_concurrent_streams(setting: int, limit: int | None) -> None:
    assert options(max_concurrent_streams=setting).max_concurrent_streams == limit


@pytest.mark.parametrize(("interval", "timeout"), [(0, 20), (10, 0), (0, 0)])
def test_either_keepalive_zero_disables_pings(interval: float, timeout: float) -> None:
    chosen = options(grpc_keepalive_interval=interval, grpc_keepalive_timeout=timeout)
    assert chosen.keepalive_interval == 0


@pytest.mark.parametrize("setting", [0, -1])
def test_no_minimum_time_leaves_grpc_gos(setting: float) -> None:
    assert options(grpc_keepalive_min_time=setting).keepalive_min_time == 300
