"""Which handler a request gets to, and what it is asked before."""

from __future__ import annotations

import pytest

from etcdpy.http.router import Access, Mux
from etcdpy.transport import Body, HttpRequest, HttpResponse


def request(
    path: str, method: str = "GET", host: str = "x", secure: bool = False, **fields: str
) -> HttpRequest:
    name = fields.pop("certificate_name", None)
    headers = [(key.encode(), value.encode()) for key, value in fields.items()]
    return HttpRequest(
        method, path, host, headers, Body(), "ipv4:1.1.1.1:1", is_secure=secure,
        certificate_name=name,
    )  # fmt: skip


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, (), request.path.encode())


async def ask(mux: Mux, path: str, method: str = "GET") -> tuple[int, bytes]:
    response = await mux.handle(request(path, method))
    assert isinstance(response.body, bytes)
    return response.status, response.body


def fields(response: HttpResponse) -> dict[bytes, bytes]:
    return dict(response.headers)


class TestMux:
    MUX = Mux({"/version": echo, "/livez/read": echo}, echo)

    @pytest.mark.parametrize("path", ["/version", "/version?a=//b", "/%76ersion", "/livez/read"])
    async def test_path_that_is_there(self, path: str) -> None:
        assert await ask(self.MUX, path) == (200, path.encode())

    @pytest.mark.parametrize(
        "path",
        ["/", "/versio", "/version/", "/Version", "/livez%2Fread", "/a%2f%2fb", "/v3beta", "/v3a"],
    )
    async def test_path_that_is_not(self, path: str) -> None:
        assert await ask(self.MUX, path) == (404, b"404 page not found\n")

    async def test_gateway_has_all_below_its_root(self) -> None:
        assert await ask(self.MUX, "/v3/kv/r%61nge?x") == (200, b"/v3/kv/range?x")
        assert await ask(self.MUX, "/v3/") == (200, b"/v3/")
        without = Mux({})
        assert (await ask(without, "/v3/"))[0] == (await ask(without, "/v3"))[0] == 404

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("/v3", "/v3/"),
            ("/v3?x=y", "/v3/?x=y"),
            ("//version", "/version"),
            ("/v3//kv/range?x=1", "/v3/kv/range?x=1"),
            ("/a/../version", "/version"),
            ("/./health/", "/health/"),
            ("///", "/"),
        ],
    )
    async def test_path_in_a_better_form_is_told(self, path: str, to: str) -> None:
        told = await self.MUX.handle(request(path))
        assert told.status == 307
        assert fields(told)[b"location"] == to.encode()
        assert told.body == f'<a href="{to}">Temporary Redirect</a>.\n\n'.encode()
        posted = await self.MUX.handle(request(path, "POST"))
        assert (posted.headers, posted.body) == (((b"location", to.encode()),), b"")

    async def test_link_cannot_be_made_to_run_anything(self) -> None:
        told = await self.MUX.handle(request('//x?"><script>'))
        assert told.body == b'<a href="/x?&#34;&gt;&lt;script&gt;">Temporary Redirect</a>.\n\n'

    async def test_tree_has_all_that_begins_with_its_root_and_is_not_in_the_table(self) -> None:
        async def other(request: HttpRequest) -> HttpResponse:
            return HttpResponse(299, (), b"")

        mux = Mux({"/a/version": echo}, None, {"/a": other, "/a/b/": echo})
        assert await ask(mux, "/a/version") == (200, b"/a/version")
        for path in ("/a", "/ab?x=/a/b/", "/a/", "/a/b"):
            assert await ask(mux, path) == (299, b"")
        assert await ask(mux, "/a/b/%2F?x") == (200, b"/a/b/%2F?x")
        assert (await ask(mux, "/A"))[0] == 404

    async def test_what_is_no_path(self) -> None:
        assert await ask(self.MUX, "*") == (400, b"")


class TestAccess:
    async def test_old_prefix_is_what_it_became(self) -> None:
        access = Access(echo)
        assert (await access.handle(request("/v3beta/kv/put"))).body == b"/v3/kv/put"
        assert (await access.handle(request("/v3alpha/kv/put"))).body == b"/v3alpha/kv/put"

    @pytest.mark.parametrize("host", ["good", "good:1", "[::1]:80", "::1"])
    async def test_host_that_is_on_the_list(self, host: str) -> None:
        access = Access(echo, hosts=frozenset(("good", "::1")))
        if host != "::1":
            assert (await access.handle(request("/", host=host))).status == 200

    @pytest.mark.parametrize(
        ("host", "shown"),
        [("evil:99", "evil"), ("Good", "Good"), ("", ""), ("[::2]:1", "::2"), ("a\x01", "a\\x01")],
    )
    async def test_host_that_is_not(self, host: str, shown: str) -> None:
        access = Access(echo, hosts=frozenset(("good",)))
        for method in ("GET", "OPTIONS"):
            refused = await access.handle(request("/health", method, host=host))
            assert refused.status == 421
            assert isinstance(refused.body, bytes)
            assert f'etcd --host-whitelist "{shown}"\n'.encode() in refused.body
            assert b"access-control-allow-origin" not in fields(refused)

    @pytest.mark.parametrize("hosts", [(), ("*",), ("a", "*")])
    async def test_list_that_lets_all_in(self, hosts: tuple[str, ...]) -> None:
        access = Access(echo, hosts=frozenset(hosts))
        assert (await access.handle(request("/", host="any"))).status == 200

    async def test_host_does_not_matter_over_tls(self) -> None:
        access = Access(echo, hosts=frozenset(("good",)))
        assert (await access.handle(request("/", host="evil", secure=True))).status == 200

    async def test_name_in_a_certificate_is_not_taken_for_the_callers(self) -> None:
        asked = Access(echo, asks_who=lambda: True)
        named = request("/v3/kv/put", secure=True, certificate_name="root")
        refused = await asked.handle(named)
        assert refused.status == 400
        assert isinstance(refused.body, bytes)
        assert refused.body.startswith(b"CommonName of client sending a request")
        fine = [
            await Access(echo).handle(named),
            await asked.handle(request("/version", secure=True, certificate_name="root")),
            await asked.handle(request("/v3/kv/put", secure=True, certificate_name="")),
            await asked.handle(request("/v3/kv/put", secure=True)),
        ]
        assert [answer.status for answer in fine] == [200] * 4

    async def test_scripts_of_anywhere_may_read(self) -> None:
        for origins in (("*",), ("http://a:1", "*"), ()):
            answer = await Access(echo, origins=frozenset(origins)).handle(request("/"))
            assert answer.headers == (
                (b"access-control-allow-headers", b"accept, content-type, authorization"),
                (b"access-control-allow-methods", b"POST, GET, OPTIONS, PUT, DELETE"),
                (b"access-control-allow-origin", b"*"),
            )

    async def test_scripts_of_some_origins_may(self) -> None:
        access = Access(echo, origins=frozenset(("http://a:1", "http://b:2")))
        answer = await access.handle(request("/", origin="http://b:2"))
        assert fields(answer)[b"access-control-allow-origin"] == b"http://b:2"
        for other in (request("/"), request("/", origin="http://b")):
            assert (await access.handle(other)).headers == ()

    async def test_options_are_answered_for_every_path(self) -> None:
        answer = await Access(echo).handle(request("/zzz", "OPTIONS"))
        assert (answer.status, answer.body, len(answer.headers)) == (200, b"", 3)
        refused = Access(echo, origins=frozenset(("http://a:1",)))
        answer = await refused.handle(request("/zzz", "OPTIONS", origin="http://b:1"))
        assert (answer.status, answer.headers) == (200, ())

    async def test_options_of_the_server(self) -> None:
        access = Access(echo, hosts=frozenset(("good",)))
        answer = await access.handle(request("*", "OPTIONS", host="evil"))
        assert (answer.status, answer.headers) == (200, ())
