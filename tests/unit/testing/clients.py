"""Four clients that tests use, alike: grpcio's two, aetcd, and one of the JSON gateway."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import time
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable
from typing import Any

import aetcd
import grpc
import grpc.aio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.testing import Etcd
from tests.support.client import Client as SyncClient
from tests.support.reconnecting import PATIENCE

_stubs: Any = rpc_pb2_grpc

#: gRPC's channels of one process share connections, also those of a client that has left already.
ALONE = {"grpc.use_local_subchannel_pool": 1}


class Failed(Exception):  # noqa: N818 - reads as what happened
    """A client was not answered, or was refused; the text says what it was told."""


class Client(ABC):
    """
    One of them.

    Attributes:
        blocks: Whether its calls block the thread that they are made on.

    """

    blocks = False

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd

    async def begin_put(self, key: str, value: str) -> Future[None]:
        """Begin to put a key, beside the test, and return when the server has the request."""
        before = self.etcd.requests.count("KV/Put")
        if self.blocks:
            work = asyncio.to_thread(lambda: asyncio.run(self.put(key, value)))
        else:
            work = self.put(key, value)
        putting = asyncio.ensure_future(work)
        await self.etcd.requests.wait_for_async("KV/Put", count=before + 1, timeout=60)
        return putting

    @abstractmethod
    async def log_in(self, name: str, password: str) -> None:
        """Be a user from now on."""

    @abstractmethod
    async def put(self, key: str, value: str, lease: int = 0, timeout: float = 60) -> None:
        """Put a key, or raise ``Failed``."""

    @abstractmethod
    async def grant(self, ttl: int) -> int:
        """Grant a lease."""

    @abstractmethod
    async def remaining(self, lease: int) -> int:
        """Return the seconds that a lease has left, -1 if there is none."""

    @abstractmethod
    async def watch(self, key: str) -> None:
        """Begin to watch a key."""

    @abstractmethod
    async def next_event(self) -> str:
        """Return the kind of the next event of the watch: ``PUT`` or ``DELETE``, or raise."""

    @abstractmethod
    async def close(self) -> None:
        """Leave."""


class Blocking(Client):
    """grpcio's ordinary client, whose calls block a thread."""

    blocks = True

    def __init__(self, etcd: Etcd) -> None:
        super().__init__(etcd)
        self._client = SyncClient(etcd.endpoint)
        self._stream: Any = None
        self._metadata: list[tuple[str, str]] = []

    async def log_in(self, name: str, password: str) -> None:
        login = pb.AuthenticateRequest(name=name, password=password)
        self._metadata = [("token", self._client.auth.Authenticate(login).token)]

    async def put(self, key: str, value: str, lease: int = 0, timeout: float = 60) -> None:
        request = pb.PutRequest(key=key.encode(), value=value.encode(), lease=lease)
        try:
            # Here, and not on a thread: the server must not need this one.
            self._client.kv.Put(
                request, wait_for_ready=True, timeout=timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise Failed(str(error)) from error

    async def grant(self, ttl: int) -> int:
        return int(self._client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl)).ID)

    async def remaining(self, lease: int) -> int:
        return int(self._client.lease.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease)).TTL)

    async def watch(self, key: str) -> None:
        create = pb.WatchCreateRequest(key=key.encode())
        self._stream = self._client.watch.Watch(iter([pb.WatchRequest(create_request=create)]))
        assert next(self._stream).created

    async def next_event(self) -> str:
        try:
            return _kind(next(self._stream))
        except grpc.RpcError as error:
            raise Failed(str(error)) from error

    async def close(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        self._client.close()


class Asynchronous(Client):
    """grpcio's client for asyncio."""

    def __init__(self, etcd: Etcd) -> None:
        super().__init__(etcd)
        self._channel = grpc.aio.insecure_channel(etcd.grpc_target, options=[*ALONE.items()])
        self._stream: Any = None
        self._metadata: list[tuple[str, str]] = []

    async def log_in(self, name: str, password: str) -> None:
        login = pb.AuthenticateRequest(name=name, password=password)
        answer = await _stubs.AuthStub(self._channel).Authenticate(login)
        self._metadata = [("token", answer.token)]

    async def put(self, key: str, value: str, lease: int = 0, timeout: float = 60) -> None:
        request = pb.PutRequest(key=key.encode(), value=value.encode(), lease=lease)
        try:
            await _stubs.KVStub(self._channel).Put(
                request, wait_for_ready=True, timeout=timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise Failed(str(error)) from error

    async def grant(self, ttl: int) -> int:
        stub = _stubs.LeaseStub(self._channel)
        return int((await stub.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl))).ID)

    async def remaining(self, lease: int) -> int:
        stub = _stubs.LeaseStub(self._channel)
        return int((await stub.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease))).TTL)

    async def watch(self, key: str) -> None:
        self._stream = _stubs.WatchStub(self._channel).Watch()
        create = pb.WatchCreateRequest(key=key.encode())
        await self._stream.write(pb.WatchRequest(create_request=create))
        assert (await self._stream.read()).created

    async def next_event(self) -> str:
        try:
            response = await self._stream.read()
        except grpc.aio.AioRpcError as error:
            raise Failed(str(error)) from error
        return _kind(response)

    async def close(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        await self._channel.close()


class Aetcd(Client):
    """aetcd."""

    def __init__(self, etcd: Etcd) -> None:
        super().__init__(etcd)
        self._client = aetcd.Client(host=etcd.host, port=etcd.port, timeout=60, options=ALONE)
        self._watch: Any = None

    async def log_in(self, name: str, password: str) -> None:
        await self._client.close()
        self._client = aetcd.Client(
            host=self.etcd.host,
            port=self.etcd.port,
            username=name,
            password=password,
            timeout=60,
            options=ALONE,
        )

    async def put(self, key: str, value: str, lease: int = 0, timeout: float = 60) -> None:
        putting = self._client.put(key.encode(), value.encode(), lease=lease or None)
        try:
            await asyncio.wait_for(putting, timeout)
        except (aetcd.ClientError, asyncio.TimeoutError) as error:
            raise Failed(str(error)) from error

    async def grant(self, ttl: int) -> int:
        return int((await self._client.lease(ttl)).id)

    async def remaining(self, lease: int) -> int:
        return int((await self._client.get_lease_info(lease)).TTL)

    async def watch(self, key: str) -> None:
        self._watch = await self._client.watch(key.encode())

    async def next_event(self) -> str:
        try:
            event = await anext(aiter(self._watch))
        except (aetcd.ClientError, StopAsyncIteration) as error:
            raise Failed(str(error)) from error
        return str(event.kind)

    async def close(self) -> None:
        await self._client.close()


class Http(Client):
    """The JSON gateway, over one connection for requests and one for the watch."""

    blocks = True

    def __init__(self, etcd: Etcd) -> None:
        super().__init__(etcd)
        self._connection = http.client.HTTPConnection(etcd.endpoint, timeout=60)
        self._stream: Any = None
        self._headers: dict[str, str] = {}

    async def log_in(self, name: str, password: str) -> None:
        answer = await self._ask("auth/authenticate", {"name": name, "password": password})
        self._headers = {"Authorization": answer["token"]}

    async def put(self, key: str, value: str, lease: int = 0, timeout: float = 60) -> None:
        body = {"key": _base64(key), "value": _base64(value), "lease": lease}
        await self._ask("kv/put", body, timeout)

    async def grant(self, ttl: int) -> int:
        return int((await self._ask("lease/grant", {"TTL": ttl}))["ID"])

    async def remaining(self, lease: int) -> int:
        return int((await self._ask("lease/timetolive", {"ID": lease})).get("TTL", 0))

    async def watch(self, key: str) -> None:
        connection = http.client.HTTPConnection(self.etcd.endpoint, timeout=60)
        body = {"create_request": {"key": _base64(key)}}
        connection.request("POST", "/v3/watch", json.dumps(body))
        self._stream = connection.getresponse()
        self._watching = connection
        assert b"created" in self._stream.readline()

    async def next_event(self) -> str:
        try:
            line = self._stream.readline()
            result = json.loads(line)["result"]
            if result.get("canceled"):
                raise Failed(f"canceled, compacted at {result.get('compact_revision')}")
            event = result["events"][0]
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            raise Failed(str(error)) from error
        return str(event.get("type", "PUT"))

    async def _ask(self, path: str, body: dict[str, Any], timeout: float = 60) -> Any:
        try:
            if timeout != self._connection.timeout:
                self._connection.close()
                self._connection.timeout = timeout
            self._connection.request("POST", f"/v3/{path}", json.dumps(body), self._headers)
            response = self._connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Failed(str(error)) from error
        if response.status != 200:
            raise Failed(str(answer))
        return answer

    async def close(self) -> None:
        self._connection.close()
        if self._stream is not None:
            self._stream.close()
            self._watching.close()


def _kind(response: pb.WatchResponse) -> str:
    if response.canceled:
        raise Failed(f"canceled, compacted at {response.compact_revision}")
    return ("PUT", "DELETE")[response.events[0].type]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CLIENTS: list[Callable[[Etcd], Client]] = [Blocking, Asynchronous, Aetcd, Http]


async def eventually(client: Client, key: str, value: str) -> None:
    """Put a key as an application does that has lost its connection: until it succeeds."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            await client.put(key, value)
            return
        except Failed:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.05)
