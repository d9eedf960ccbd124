"""
A test's server, on its loop: the transport that clients know, and the node behind it.

Clients keep their connections over a reset. What is exchanged is the node, for another that was
made ready meanwhile::

    test 1              reset            test 2               reset
    node A on home 1      |              node B on home 2       |
    node B is made        A and B        node C is made on      B and C
    ready on home 2       change places  home 1, emptied        change places

So a reset costs what it takes to cut off streams, unless the test was over sooner than the next
node was ready.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from etcdpy.clock import SystemClock
from etcdpy.config import Config
from etcdpy.http.gateway_errors import error_response
from etcdpy.memory import Budget
from etcdpy.server.late_http import LateDoors
from etcdpy.server.tls_info import configure
from etcdpy.server.transports import EXTENSIVE, options_of
from etcdpy.services.caller import GrpcCaller
from etcdpy.services.codes import status_of
from etcdpy.testing.calls import Calls, as_asked
from etcdpy.testing.clock import TURNS
from etcdpy.testing.generation import Generation
from etcdpy.testing.homes import Home, Shelter
from etcdpy.testing.places import Places
from etcdpy.testing.requests import Request, Requests, short_name
from etcdpy.testing.rules import Rules
from etcdpy.testing.running_clock import RunningClock
from etcdpy.testing.settings import Settings
from etcdpy.testing.where import Certificates
from etcdpy.transport import (
    CallCounts,
    EndedCall,
    HttpRequest,
    HttpResponse,
    Observer,
    Server,
    StatusError,
)
from etcdpy.transport.grpc.status import CODE_OF

if TYPE_CHECKING:  # few tests need them, and they are imported for these
    from etcdpy.http.gateway import Gateway
    from etcdpy.server.http_doors import HttpDoors

__all__ = ["Engine"]

logger = logging.getLogger(__name__)

#: How often it is looked whether anything is under way yet. Clients that go on writing while the
#: clock is moved would have it go on for ever.
_ROUNDS: Final = 10

#: Seconds that calls which were cut off have to end before what they use is taken away.
_END_SECONDS: Final = 1.0


class Engine:
    """
    A server that can be reset, restarted and killed. All of it belongs to its loop's thread.

    Args:
        settings: What the test wants.

    Attributes:
        settings: As given.
        clock: What time it is to the node. Connections go by the machine's.
        rules: What is to go wrong with requests.
        requests: What was asked.
        places: Where it listens.
        certificates: Where those for TLS are, None without TLS.
        current: The node that is served; of a server that is down, the last one.
        transport: What clients are connected to.
        is_up: Whether clients can connect.
        first_revision: The revision of the node when it was taken into service.
        refusals: How many faults there are that have nobody connect.
        on_left: Called before a node is closed that was served.
        on_taken: Called when another node is served.

    """

    transport: Server
    current: Generation

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = RunningClock(self.settle, is_settled=self._is_settled)
        self.rules = Rules()
        self.on_left: Callable[[], None] = lambda: None
        self.on_taken: Callable[[], None] = lambda: None
        self.requests = Requests(settings.requests)
        self.shelter = Shelter()
        self.certificates: Certificates | None = None
        self.is_up = False
        self.refusals = 0
        self._machine = SystemClock()
        self._spare: asyncio.Task[Generation] | None = None
        self._http: LateDoors | None = None
        self._gateway: Gateway | None = None
        self._homes: list[Home] = []
        extensive = settings.flags.get("metrics") == EXTENSIVE
        self._counts = CallCounts(is_timed=extensive)
        self.calls = Calls(self.requests.note, self.rules, self.clock.wall, self._user_of)
        self.calls.version = settings.version
        try:
            self.places = Places(self.shelter.path / "etcd.sock", settings.port)
        except BaseException:
            self.shelter.close()
            raise

    # ------------------------------------------------------------------- its life

    async def start(self) -> None:
        """
        Serve an empty node, or what the settings want to be there.

        Raises:
            ValueError: The settings cannot be used.
            StorageError: The data directory cannot be.
            OSError: It cannot be listened.

        """
        try:
            await self._start()
        except BaseException:
            self._leave()
            raise

    async def _start(self) -> None:
        settings = self.settings
        if settings.clock == "frozen":
            self.clock.freeze()
        if settings.tls:
            # Few tests want them, and they take a fifth of what is imported.
            from etcdpy.testing.certificates import make_certificates

            self.certificates = make_certificates(self.shelter.path)
        if settings.data_dir is None:
            home, is_new = self._new_home(), True
        else:
            path = Path(settings.data_dir)
            is_new = not (path / "member").exists()
            fsync = not self._config(path).unsafe_no_fsync
            home = Home(path, fsync=fsync, is_kept=True)
            self._homes.append(home)
        opened = await self._open(home, is_new=is_new)
        self._make_transport(self._config(home.path), opened)
        self._take(opened)
        await self.listen()
        self._prepare(self._new_home())

    def _new_home(self) -> Home:
        self._homes.append(Home(self.shelter.place()))
        return self._homes[-1]

    async def stop(self) -> None:
        """Stop serving; what is in memory is gone then."""
        self.rules.clear()
        self._end_serving()
        await self._cut_off()
        if self._spare is not None:
            opened = (await asyncio.gather(self._spare, return_exceptions=True))[0]
            if isinstance(opened, Generation):
                await opened.drop()
        if self.current.home.is_kept and self.is_up:
            await self.current.close()
        else:
            await self.current.drop()
        self.is_up = False
        await self.transport.stop()
        self._leave()

    def _leave(self) -> None:
        if self._http is not None:
            self._http.stop()
        self.clock.close()
        self.places.close()
        for home in self._homes:
            home.leave()
        self.shelter.close()

    async def reset(self) -> None:
        """Be as new: empty at revision 1, without faults, streams and requests of before."""
        self.rules.clear()
        await self._cut_off()
        old = self.current
        if self._spare is not None:
            spare, self._spare = self._spare, None
            opened = await spare
        else:
            await old.drop()
            old.home.empty()
            opened = await self._open(old.home, is_new=True)
        self._set_clock()
        self._take(opened)
        self.requests.clear()
        _forget_counts(self._counts)
        if not self.is_up:
            await self.listen()
        if opened is not old and not old.home.is_kept:
            self._prepare(old.home, old)

    async def restart(self) -> None:
        """Stop and start again, on the same port with the same data; connections break."""
        if self.is_up:
            self._end_serving()
            await self._cut_off()
            await self.current.close()
        home = self.current.home
        home.close()
        self._take(await self._open(home, is_new=False))
        await self.listen()

    async def crash(self) -> None:
        """Be down, as after ``kill -9``, until ``restart``: what is not written is lost."""
        if self.is_up:
            self._end_serving()
            self.calls.cut()
            await self.current.drop()
            self.current.home.close()

    async def replace_data(self, restore: Callable[[Home, Config], None]) -> None:
        """Stop, have the data made anew, and start again."""
        self._end_serving()
        await self._cut_off()
        await self.current.drop()
        home = self.current.home
        restore(home, self._config(home.path))
        self._take(await self._open(home, is_new=False))
        await self.listen()

    # ------------------------------------------------------------------- time

    async def settle(self) -> None:
        """Wait until all that has begun is done, durable, and on its way to clients."""
        for _ in range(_ROUNDS):
            await _turns()
            if not self.is_up:
                return
            parts = self.current.node.parts
            await parts.expiry.idle()
            if pending := parts.store.log.unsettled():
                await asyncio.wait([pending])
            elif passed := parts.hub.passed():
                await asyncio.wait([passed])
            else:
                break
        for connection in self.transport.connections:
            connection.flush()

    def _is_settled(self) -> bool:
        """
        Whether nothing is left to do but to make durable what was written, for one who listens.

        Then the clock may go on, and leases that end one after the other are made durable, and
        told to watchers, some at a time: each in a revision of its own and in its order. Not so
        while anybody waits within the server, for a lock or with a request of any other kind: for
        them something may begin at this moment that the next is too late for.
        """
        ready: Any = getattr(asyncio.get_running_loop(), "_ready", None)
        if ready is None or not self.is_up or self.calls.others:
            return False
        log: Any = self.current.node.parts.store.log
        # Whatever has begun is among what the loop is about to call.
        return len(ready) == int(log.is_flushing)

    async def advance(self, seconds: float) -> None:
        """Let time pass, with all that it brings about; see ``RunningClock.advance``."""
        await self.clock.advance(seconds)
        if self.is_up:
            # Between two looks for leases there is half a second, which may not be over.
            await self.current.node.parts.expiry.look_now()
            await self.settle()

    def _set_clock(self) -> None:
        self.clock.set_right()
        if self.settings.clock == "frozen":
            self.clock.freeze()
        else:
            self.clock.resume()

    # ------------------------------------------------------------------- nodes

    def _config(self, path: Path) -> Config:
        flags = {} if self.certificates is None else self.certificates.flags(self.settings)
        return self.settings.config(path, self.places.port, flags)

    async def _open(self, home: Home, *, is_new: bool) -> Generation:
        settings = self.settings if is_new else None
        return await Generation.open(home, self._config(home.path), self.clock, settings)

    def _take(self, opened: Generation) -> None:
        self.current = opened
        self.first_revision = opened.node.parts.store.revision
        self.calls.behaviours = opened.behaviours
        config = self._config(opened.home.path)
        if self._http is not None:
            self._http.stop()
        self._http = LateDoors(partial(self._open_http, config, opened))
        self.on_taken()

    def _open_http(self, config: Config, opened: Generation) -> HttpDoors:
        # Few tests ask over HTTP, and it takes a fifth as long to import as all else.
        from etcdpy.http.gateway import Gateway
        from etcdpy.server.http_doors import open_http

        if self._gateway is None:
            self._gateway = Gateway(self._machine, config.max_message_bytes, self._counts)
            self.calls.register(opened.handlers, self._gateway)
        return open_http(config, opened.node, self._gateway.handle, self._counts, opened.v2_locks)

    def _prepare(self, home: Home, old: Generation | None = None) -> None:
        """Begin to make the node that the next reset needs."""
        # An audit log has one writer; and what is kept is never exchanged.
        if self.settings.data_dir is None and "audit-log" not in self.settings.flags:
            self._spare = asyncio.ensure_future(self._prepared(home, old))
        elif old is not None:
            self._spare = None

    async def _prepared(self, home: Home, old: Generation | None) -> Generation:
        if old is not None:
            await old.drop()
            home.empty()
        return await self._open(home, is_new=True)

    # ------------------------------------------------------------------- clients

    def _make_transport(self, config: Config, opened: Generation) -> None:
        observer = Observer()
        observer.listen(self._observe)
        if self._counts.is_timed:
            observer.listen(lambda call: self._counts.count_time(call.path, call.seconds))
        self.transport = Server(
            options_of(config),
            http=self._answer_http,
            observer=observer,
            translate=status_of,
            clock=self._machine,
            call_type=GrpcCaller,
            counts=self._counts,
            memory=Budget(config.memory_limit),
        )
        self.calls.register(opened.handlers, self.transport)

    async def listen(self) -> None:
        """Let clients connect, unless they are to be refused."""
        self.is_up = True
        if self.refusals:
            return
        security = None
        if self.settings.tls:
            # As above: few tests want it.
            from etcdpy.server.tls import ServerSecurity

            security = ServerSecurity(configure(self._config(self.current.home.path), self.clock))
        tcp, unix = self.places.listen()
        await self.transport.listen_socket(tcp, security=security)
        await self.transport.listen_socket(unix)

    def _end_serving(self) -> None:
        self.on_left()
        self.transport.stop_listening()
        self.transport.drop_connections()
        self.is_up = False

    async def _cut_off(self) -> None:
        """End every call, and wait for that."""
        tasks = self.calls.cut()
        for connection in list(self.transport.http1_connections):
            # An answer of HTTP that has no end, and is no call.
            if connection._response is not None:
                connection.abort()
        if tasks:
            ended = asyncio.ensure_future(asyncio.wait(tasks))
            timer = self._machine.wake_after(_END_SECONDS, ended.cancel)
            await asyncio.wait([ended])
            timer.cancel()

    async def _answer_http(self, request: HttpRequest) -> HttpResponse:
        # Connections run handlers without a task for as long as these do not wait.
        answering = asyncio.ensure_future(self._answer_in_task(request))
        try:
            return await answering
        finally:
            answering.cancel()

    async def _answer_in_task(self, request: HttpRequest) -> HttpResponse:
        path, http = request.path.partition("?")[0], self._http
        assert http is not None
        if path.startswith("/v3"):
            # The gateway's calls are noted like those of gRPC.
            return await http.clients(request)
        noted = Request(
            self.clock.wall(), f"{request.method} {path}", request, request.peer, over="http"
        )
        self.requests.note(noted)
        guest = _HttpGuest(request)
        try:
            with self.calls.noted(noted, guest):
                response: HttpResponse = await self.rules.apply(
                    noted, guest, lambda: http.clients(request)
                )
        except StatusError as status:
            # Where it is not gRPC's it is told as the gateway tells it.
            response = error_response(status)
        noted.status = str(response.status)
        if path == "/version" and self.settings.version is not None:
            response = _with_version(response, self.settings.version)
        return response

    def _observe(self, call: EndedCall) -> None:
        """Judge how long a call took, and note a request that no handler has seen."""
        slow = self.current.node.parts.slow
        if call.seconds > slow.slower_than:
            request = as_asked(call.request)
            slow.ended(call.path, call.peer, request, call.response, call.seconds)
        if call.request is None:
            method, status = short_name(call.path), CODE_OF[call.code].name
            request = Request(self.clock.wall(), method, None, call.peer, status=status)
            self.requests.note(request)

    def _user_of(self, caller: Any) -> str | None:
        parts = self.current.node.parts
        if not parts.users.is_enabled:
            return None
        if caller.token is not None:
            who = parts.tokens.identify(caller.token)
            return None if who is None else who.user
        name: str | None = caller.certificate_name
        return name


async def _turns() -> None:
    """Let the loop turn until nothing is ready, where it tells, but not for ever."""
    ready: Any = getattr(asyncio.get_running_loop(), "_ready", None)
    for _ in range(TURNS):
        await asyncio.sleep(0)
        if ready is not None and not ready:
            return


def _forget_counts(counts: CallCounts) -> None:
    """Begin to count calls anew; what connections count on stays what it is."""
    for method in counts.methods.values():
        method.ended[:] = [0] * len(method.ended)
        for tally in method.by_version.values():
            tally.started = tally.read = tally.received = tally.written = tally.sent = 0


class _HttpGuest:
    """Who has sent a request that is no call."""

    token: str | None = None

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def peer(self) -> str:
        return self._request.peer

    def time_remaining(self) -> float | None:
        return None


def _with_version(response: HttpResponse, version: str) -> HttpResponse:
    assert isinstance(response.body, bytes)
    told = {**json.loads(response.body), "etcdserver": version}
    body = json.dumps(told, separators=(",", ":")).encode()
    headers = tuple(
        (name, b"%d" % len(body)) if name == b"content-length" else (name, value)
        for name, value in response.headers
    )
    return replace(response, headers=headers, body=body)
