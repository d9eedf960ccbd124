"""Who is answered under ``/debug/pprof/``, and with what."""

from __future__ import annotations

from typing import cast

import pytest

from etcdpy.http.pprof.endpoints import Pprof, is_local
from etcdpy.http.pprof.profile import Format, ProfileError, Profiler
from etcdpy.http.router import Mux
from etcdpy.transport import Body, HttpRequest, HttpResponse

HERE = "ipv4:127.0.0.1:5"


class Taker:
    """Stands for a profiler: says what it was asked."""

    def __init__(self, failure: ProfileError | None = None) -> None:
        self.failure = failure
        self.is_stopped = False

    async def take(self, seconds: int, form: Format) -> bytes:
        if self.failure is not None:
            raise self.failure
        return f"{form.name} of {seconds}".encode()

    def stop(self) -> None:
        self.is_stopped = True


def request(path: str, peer: str = HERE, method: str = "GET", **fields: str) -> HttpRequest:
    headers = [(k.replace("_", "-").encode(), v.encode()) for k, v in fields.items()]
    return HttpRequest(method, f"/debug/pprof/{path}", "x", headers, Body(), peer)


def pprof(taker: Taker | None = None, *, allow_remote: bool = False) -> Pprof:
    return Pprof(cast(Profiler, taker or Taker()), allow_remote=allow_remote)


async def get(path: str, taker: Taker | None = None) -> HttpResponse:
    return await pprof(taker).handle(request(path))


async def text(path: str, taker: Taker | None = None) -> str:
    answer = await get(path, taker)
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


# -------------------- who


@pytest.mark.parametrize(
    ("peer", "is_here"),
    [
        ("ipv4:127.0.0.1:5", True),
        ("ipv4:127.8.9.1:5", True),
        ("ipv6:[::1]:5", True),
        ("ipv6:[::ffff:127.0.0.1]:5", True),
        ("unix:/run/etcd.sock", True),
        ("unix:", True),
        ("ipv4:10.0.0.1:5", False),
        ("ipv4:0.0.0.0:5", False),
        ("ipv4:128.0.0.1:5", False),
        ("ipv6:[::ffff:10.0.0.1]:5", False),
        ("ipv6:[fe80::1%lo]:5", False),
        ("ipv6:[2001:db8::1]:5", False),
        ("ipv4:localhost:5", False),
        ("", False),
    ],
)
async def test_only_those_on_the_same_machine_are_answered(peer: str, is_here: bool) -> None:
    assert is_local(request("", peer)) == is_here
    answer = await pprof().handle(request("cmdline", peer))
    assert answer.status == (200 if is_here else 403)
    assert (await pprof(allow_remote=True).handle(request("cmdline", peer))).status == 200


@pytest.mark.parametrize("field", ["x_forwarded_for", "forwarded", "x_real_ip"])
async def test_those_whom_a_proxy_asks_for_are_elsewhere(field: str) -> None:
    asked = request("tasks", HERE, **{field: "10.0.0.1"})
    assert not is_local(asked)
    refused = await pprof().handle(asked)
    assert refused.status == 403
    assert b"--pprof-allow-remote" in cast(bytes, refused.body)


# -------------------- what


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("profile", "raw of 30"),
        ("profile?seconds=5", "raw of 5"),
        ("profile?seconds=600", "raw of 600"),
        ("profile?seconds=0", "raw of 30"),
        ("profile?seconds=-3", "raw of 30"),
        ("profile?seconds=x", "raw of 30"),
        ("profile?seconds=%D9%A3", "raw of 30"),
        ("profile?seconds=5&format=flamegraph", "flamegraph of 5"),
        ("profile?seconds=5&format=speedscope", "speedscope of 5"),
        ("profile?seconds=601", "a profile takes 600 seconds at most\n"),
        ("profile?seconds=99999999999999", "a profile takes 600 seconds at most\n"),
        ("profile?format=pdf", "format is one of collapsed, flamegraph, speedscope\n"),
    ],
)
async def test_profile_is_as_long_as_asked(path: str, answer: str) -> None:
    assert await text(path) == answer


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("profile?seconds=1", b"text/plain; charset=utf-8"),
        ("profile?seconds=1&format=flamegraph", b"image/svg+xml"),
        ("profile?seconds=1&format=speedscope", b"application/json"),
        ("", b"text/html; charset=utf-8"),
        ("heap", b"text/plain; charset=utf-8"),
    ],
)
async def test_it_is_told_what_an_answer_is(path: str, kind: bytes) -> None:
    answer = await get(path)
    assert dict(answer.headers)[b"content-type"] == kind
    assert dict(answer.headers)[b"x-content-type-options"] == b"nosniff"


async def test_failure_is_told() -> None:
    busy = await get("profile", Taker(ProfileError("cpu profiling already in use")))
    assert busy.status == 500
    assert busy.body == b"Could not enable CPU profiling: cpu profiling already in use\n"
    missing = await get("profile", Taker(ProfileError("there is none", is_missing=True)))
    assert missing.status == 501
    assert b"pip install 'etcdpy[pprof]'" in cast(bytes, missing.body)


async def test_all_that_runs_is_told() -> None:
    both = await text("goroutine?debug=2")
    assert both.startswith("threads: ")
    assert "\nthread MainThread:\n" in both
    assert " [running]:\n" in both
    assert "\n1 thread MainThread:\n" in await text("goroutine?debug=1")
    assert "thread" not in (await text("tasks")).partition("\n")[2]
    assert "task" not in (await text("threads")).partition("\n\n")[0].partition(",")[0]


async def test_command_line_is_told_as_go_does() -> None:
    assert "\0" in await text("cmdline")


async def test_index_counts() -> None:
    assert "tasks of the loop" in await text("")


@pytest.mark.parametrize("path", ["mutex", "block", "trace", "profile/", "nope", "goroutine/x"])
async def test_what_there_is_not_is_unknown(path: str) -> None:
    answer = await get(path)
    assert (answer.status, answer.body) == (404, b"Unknown profile\n")


@pytest.mark.parametrize("method", ["POST", "HEAD", "FOO"])
async def test_any_method_will_do(method: str) -> None:
    assert (await pprof().handle(request("threads", method=method))).status == 200


async def test_root_without_its_slash_leads_there() -> None:
    served = pprof()
    mux = Mux(served.table, trees=served.trees)
    moved = await mux.handle(HttpRequest("GET", "/debug/pprof?a=1", "x", (), Body(), HERE))
    assert (moved.status, dict(moved.headers)[b"location"]) == (307, b"/debug/pprof/?a=1")
    assert (await mux.handle(request("heap?debug=1"))).status == 200


async def test_stop_ends_a_profile() -> None:
    taker = Taker()
    pprof(taker).stop()
    assert taker.is_stopped
