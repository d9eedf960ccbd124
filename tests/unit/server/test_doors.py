"""Which addresses there are, and what is spoken at each."""

from __future__ import annotations

from etcdpy.config import Config, parse_urls
from etcdpy.server.doors import Use, addresses
from etcdpy.transport import HttpRequest, HttpResponse, Traffic


async def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200)


def test_clients_speak_both_at_one_address() -> None:
    assert [use for _, use in addresses(Config())] == [Use.CLIENTS]
    assert Use.CLIENTS.traffic(answer) == Traffic(grpc=True, http=True)


def test_http_with_an_address_of_its_own_leaves_the_other_to_grpc() -> None:
    config = Config(
        listen_client_http_urls=tuple(parse_urls("http://127.0.0.1:1,http://127.0.0.1:2")),
        listen_metrics_urls=tuple(parse_urls("http://127.0.0.1:3")),
    )
    assert [(str(url), use) for url, use in addresses(config)] == [
        ("http://localhost:2379", Use.GRPC),
        ("http://127.0.0.1:1", Use.HTTP),
        ("http://127.0.0.1:2", Use.HTTP),
        ("http://127.0.0.1:3", Use.METRICS),
    ]
    assert Use.GRPC.traffic(answer) == Traffic(grpc=True, http=False)
    assert Use.HTTP.traffic(answer) == Traffic(grpc=False, http=True)


def test_metrics_have_a_handler_of_their_own() -> None:
    assert Use.METRICS.traffic(answer) == Traffic(grpc=False, http=True, handler=answer)


def test_http_2_is_agreed_on_for_grpc_alone() -> None:
    assert [use for use in Use if "h2" in use.protocols] == [Use.CLIENTS, Use.GRPC]
