"""
The life of a server: bind, open, serve, drain, close.

What can go wrong is found in the order of cost: settings, then ports, then the data directory.
On the way down the order turns round, so that nothing is acknowledged after the store is closed.

"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdpy import logs
from etcdpy.auth.options import AuthOptionsError
from etcdpy.clock import Clock, SystemClock
from etcdpy.config import Config, InvalidConfigError, check_bootstrap, check_learners
from etcdpy.memory import Budget
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.server import (
    descriptors,
    settings_log,
    signals,
    startup,
    startup_log,
    systemd,
    tls_checks,
    verification,
)
from etcdpy.server.assembly import Served, garbage_left_alone, open_served
from etcdpy.server.banner import banner
from etcdpy.server.cipher_suites import CipherSuitesError
from etcdpy.server.doors import Door, Use, addresses
from etcdpy.server.late_http import LateDoors, open_doors
from etcdpy.server.listeners import ListenError, address_of, bind_all
from etcdpy.server.memory_log import BudgetLog
from etcdpy.server.small_objects import Source
from etcdpy.server.tls_info import SelfSignError, TlsInfo, is_secured
from etcdpy.server.tls_info import configure as configure_tls
from etcdpy.server.transports import EXTENSIVE, Transport, accept, http_server, make_transport
from etcdpy.server.trimming import Trimmer
from etcdpy.storage import StorageError
from etcdpy.transport import Server

if TYPE_CHECKING:  # few have it, and it is imported for these
    from etcdpy.server.tls import ServerSecurity

__all__ = ["FatalError", "run"]

logger = logging.getLogger(__name__)


class FatalError(Exception):
    """
    The server cannot serve, or cannot go on: to be logged, and the process to end with 1.

    Attributes:
        message: The line's ``msg``, in etcd's words where etcd has any.
        fields: The line's other fields.

    """

    def __init__(self, message: str, fields: dict[str, object]) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


def run(config: Config) -> int:
    """
    Serve until SIGTERM or SIGINT, then end the process by that signal.

    Returns:
        The exit status, where the signal cannot end the process.

    Raises:
        FatalError: The server could not start, or its store failed.

    """
    descriptors.raise_limit()
    loop = _new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        number = loop.run_until_complete(serve(config))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    # Here, as the signal that ends the process leaves Python no time for anything.
    logs.flush()
    return signals.end_by(number)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        # Optional: whoever has it is served faster.
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def serve(config: Config) -> signal.Signals:
    """
    Serve until a signal asks to stop; return it once everything is closed.

    Raises:
        FatalError: As in ``run``.

    """
    try:
        # Before the ports, as it decides which settings count. (etcd: ``identifyDataDirOrDie``)
        initialized = startup.is_initialized(Path(config.data_dir))
    except startup.DataDirUnreadableError as error:
        fields: dict[str, object] = {"dir": config.data_dir, "error": str(error)}
        raise FatalError("failed to list data directory", fields) from error
    try:
        number = await _serve_on_listeners(config, initialized, SystemClock())
        verification.verify_if_wanted(config)
        return number
    except verification.VerificationError as error:
        fields = {"data-dir": config.data_dir, "error": str(error)}
        raise FatalError("Verification failed", fields) from error
    except tls_checks.SelfSignedCertError as error:
        raise FatalError(error.message, {"error": str(error)}) from error
    except descriptors.TooFewDescriptorsError as error:
        raise FatalError(str(error), error.fields) from error
    except SelfSignError as error:
        raise FatalError("failed to get client self-signed certs", {"error": str(error)}) from error
    except (ListenError, InvalidConfigError, StorageError) as error:
        # etcd's words for whatever keeps it from starting.
        raise FatalError("discovery failed", {"error": str(error)}) from error


async def _serve_on_listeners(config: Config, initialized: bool, clock: Clock) -> signal.Signals:
    tls_checks.check_peer_listeners(config)
    tls_checks.check_client_listeners(config)
    tls = configure_tls(config, clock)
    startup_log.log_pprof(config)
    reuse_port = config.socket_reuse_port
    urls = addresses(config)
    with bind_all([url for url, _ in urls], reuse_port=reuse_port) as listeners:
        security = _security(config, tls, {use for use in Use if use is not Use.METRICS})
        connections = descriptors.for_clients()
        settings_log.log_settings(config, initialized)
        slow = SlowRequests(
            config.warning_apply_duration,
            config.slow_request_seconds,
            clock,
            times_all=config.metrics == EXTENSIVE,
        )
        memory = Budget(config.memory_limit)
        BudgetLog(memory, clock)
        Source(memory)
        Trimmer(memory)
        transport = make_transport(
            config, clock, slow, connections=connections, identifies=tls.identifies, memory=memory
        )
        async with _bootstrap(config, initialized, clock, transport, slow, memory) as served:
            startup_log.log_member(config, served.node, initialized)
            _check_metrics(config)
            # Where etcd, too, looks at their certificate.
            security.update(_security(config, tls, {Use.METRICS}))
            doors = [
                Door(listener, security.get(use) if is_secured(url) else None, use)
                for listener, (url, use) in zip(listeners, urls, strict=True)
            ]
            tell = partial(
                startup_log.log_serving,
                config,
                served.node,
                tls=tls,
                initialized=initialized,
            )
            return await _serve_until_signal(config, clock, transport, doors, served, tell)


def _security(config: Config, tls: TlsInfo, among: set[Use]) -> dict[Use, ServerSecurity]:
    """
    Return what connections are secured by, for each of these uses that has such an address.

    Before anything is made on disk, though etcd finds its mistakes here behind all others.
    """
    uses = {use for url, use in addresses(config) if is_secured(url)} & among
    if config.transport != "native" and any(use.has_grpc for use in uses):
        from etcdpy.server.grpcio_tls import check_grpcio

        check_grpcio(tls)
    if not uses:
        return {}
    # Few have TLS, and it takes some milliseconds to import.
    from etcdpy.server.pem import UnusableFileError
    from etcdpy.server.tls import ServerSecurity

    try:
        return {use: ServerSecurity(tls, use.protocols) for use in uses}
    except (UnusableFileError, CipherSuitesError) as error:
        fields: dict[str, object] = {"error": str(error)}
        logger.error("setting up serving from embedded etcd failed.", fields)
        raise FatalError("listener failed", fields) from error


def _check_metrics(config: Config) -> None:
    """Refuse what etcd finds out only now, when the member is made."""
    try:
        tls_checks.check_metrics_listeners(config)
    except InvalidConfigError:
        logger.info("closing etcd server", startup_log.identity(config))
        raise


@asynccontextmanager
async def _bootstrap(
    config: Config,
    initialized: bool,
    clock: Clock,
    transport: Transport,
    slow: SlowRequests,
    memory: Budget,
) -> AsyncIterator[Served]:
    async with AsyncExitStack() as closing:
        try:
            tls_checks.check_peer_transport(config)
            check_learners(config)
            if not initialized:
                check_bootstrap(config)
            opening = open_served(config, clock, transport, slow, memory=memory)
            with garbage_left_alone():
                served = await closing.enter_async_context(opening)
        except AuthOptionsError:  # has its own line already, and etcd is past its bootstrap then
            raise
        except (InvalidConfigError, StorageError) as error:
            logger.error("bootstrap failed", {"error": str(error)})
            raise
        try:
            yield served
        finally:
            # Here and not at the end of the stack: the line behind it says that it is done.
            await closing.aclose()
            logger.info("closed etcd server", startup_log.identity(config))


async def _serve_until_signal(
    config: Config,
    clock: Clock,
    transport: Transport,
    doors: list[Door],
    served: Served,
    log_serving: Callable[[list[startup_log.Address]], None],
) -> signal.Signals:
    # Before anyone is served, so that from then on every signal drains.
    arrived = signals.first_signal()
    told = [
        startup_log.Address(
            address_of(door.listener),
            is_secure=door.security is not None,
            traffic=door.use.value,
            is_unix=door.listener.family == socket.AF_UNIX,
        )
        for door in doors
        if door.use is not Use.METRICS
    ]
    handlers = LateDoors(
        partial(open_doors, config, clock, served, transport.counts, transport.observer)
    )
    http = http_server(transport, served.node.parts.memory)
    http.serve_http(handlers.clients)
    await accept(transport, http, doors, handlers.metrics)
    log_serving(told)
    logs.tell(banner(config, told))
    # sd_notify(3): READY=1 tells that starting up is over, so it waits for ``accept``.
    systemd.notify_ready()
    await handlers.prepare()
    failed = served.node.failed
    futures: set[asyncio.Future[Any]] = {arrived, failed}
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    if failed.done():
        # Nobody may be told that a write is safe any more, so there is no draining either.
        served.queues.abandon()
        await _stop(transport, http, 0)
        raise FatalError("cannot write to the store", {"error": str(failed.exception())})
    number = arrived.result()
    handlers.stop()
    await _drain(config, clock, partial(_stop, transport, http), served, number)
    return number


async def _stop(transport: Transport, http: Server, grace: float) -> None:
    await asyncio.gather(*(server.stop(grace) for server in {transport, http}))


async def _drain(
    config: Config,
    clock: Clock,
    stop: Callable[[float], Awaitable[None]],
    served: Served,
    number: signal.Signals,
) -> None:
    logger.info("received signal; shutting down", {"signal": signals.NAMES[number]})
    logger.info("closing etcd server", startup_log.identity(config))
    # sd_notify(3): STOPPING=1 tells that it begins to end, hence before the wait.
    systemd.notify_stopping()
    # Running calls may take that long to finish; what waits even then is cut off.
    clock.wake_after(config.request_timeout, served.queues.abandon)
    # (etcd: ``embed.Etcd.Close`` takes ``ReqTimeout`` as well)
    await stop(config.request_timeout)
