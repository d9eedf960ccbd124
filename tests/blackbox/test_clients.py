"""Clients that people use, on the same calls: grpcio's two APIs, and grpc-js."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from .conftest import ROOT, EchoServer

END: Any = grpc.aio.EOF
GRPC_JS = "@grpc/grpc-js@1.14.1"
NODE_CACHE = ROOT / "build" / "grpc-js"


@pytest.fixture
def channel(server: EchoServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
async def aio_channel(server: EchoServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


class TestGrpcio:
    def test_unary(self, channel: Any) -> None:
        call = channel.unary_unary("/echo.Echo/Unary")
        for i in range(200):
            assert call(b"%d" % i, timeout=60) == b"%d" % i

    @pytest.mark.parametrize("size", [0, 1, 16379, 16380, 65535, 1 << 20, 2097152])
    def test_sizes(self, channel: Any, size: int) -> None:
        assert channel.unary_unary("/echo.Echo/Unary")(bytes(size), timeout=60) == bytes(size)

    def test_reply_of_30_mb(self, server: EchoServer) -> None:
        options = [("grpc.max_receive_message_length", -1)]
        channel: Any
        with grpc.insecure_channel(f"127.0.0.1:{server.port}", options) as channel:
            call = channel.unary_unary("/echo.Echo/Large")
            assert len(call(b"30000000", timeout=60)) == 30_000_000

    def test_metadata_both_ways(self, channel: Any) -> None:
        asked = {"initial": [["a", "1"]], "trailing": [["b", "2"]]}
        reply, call = channel.unary_unary("/echo.Echo/Metadata").with_call(
            json.dumps(asked).encode(), metadata=[("x-y", "1"), ("x-bin", b"\0\xff"), ("x-y", "2")]
        )
        seen = [pair for pair in json.loads(reply) if pair[0].startswith("x-")]
        assert seen == [["x-y", "1"], ["x-bin", "00ff"], ["x-y", "2"]]
        assert ("a", "1") in [tuple(pair) for pair in call.initial_metadata()]
        assert ("b", "2") in [tuple(pair) for pair in call.trailing_metadata()]

    @pytest.mark.parametrize(
        "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
    )
    def test_statuses(self, channel: Any, code: grpc.StatusCode) -> None:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/echo.Echo/Fail")(json.dumps([code.name, "é 50%\n"]).encode())
        assert (failed.value.code(), failed.value.details()) == (code, "é 50%\n")

    def test_unknown_method(self, channel: Any) -> None:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/echo.Echo/Nope")(b"")
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert failed.value.details() == "unknown method Nope for service echo.Echo"

    def test_deadline(self, server: EchoServer, channel: Any) -> None:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/echo.Echo/Sleep")(b"60", timeout=0.2)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        server.wait_idle()

    def test_gzip(self, channel: Any) -> None:
        call = channel.unary_unary("/echo.Echo/Unary")
        body = b"again and " * 5000
        assert call(body, compression=grpc.Compression.Gzip, timeout=60) == body

    def test_server_stream(self, channel: Any) -> None:
        got = list(channel.unary_stream("/echo.Echo/Repeat")(b'{"count": 500, "size": 5000}'))
        assert got == [b"x" * 5000] * 500

    def test_server_stream_cancelled_midway(self, server: EchoServer, channel: Any) -> None:
        call = channel.unary_stream("/echo.Echo/Repeat")(b'{"count": 1000000, "size": 5000}')
        assert next(call) == b"x" * 5000
        call.cancel()
        server.wait_idle()

    @pytest.mark.parametrize("method", ["Chat", "Each"])
    def test_bidi(self, channel: Any, method: str) -> None:
        bodies = [(b"w" if i % 7 == 0 else b"a") * i for i in range(300)]
        assert list(channel.stream_stream(f"/echo.Echo/{method}")(iter(bodies))) == bodies


class TestGrpcioAsync:
    async def test_many_calls_at_once(self, aio_channel: Any) -> None:
        call = aio_channel.unary_unary("/echo.Echo/Task")
        replies = await asyncio.gather(*(call(b"%d" % i, timeout=60) for i in range(500)))
        assert replies == [b"%d" % i for i in range(500)]

    @pytest.mark.parametrize("method", ["Chat", "Each"])
    async def test_conversation(self, aio_channel: Any, method: str) -> None:
        call = aio_channel.stream_stream(f"/echo.Echo/{method}")()
        for i in range(50):
            await call.write(b"%d" % i)
            assert await call.read() == b"%d" % i
        await call.done_writing()
        assert await call.read() is END
        assert await call.code() is grpc.StatusCode.OK

    async def test_watch_survives_half_close_and_ends_by_cancel(
        self, server: EchoServer, aio_channel: Any
    ) -> None:
        call = aio_channel.stream_stream("/echo.Echo/Watch")()
        await call.write(b"x")
        assert await call.read() == b"x"
        await call.done_writing()
        assert await call.read() == b"half-closed"
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED
        await asyncio.to_thread(server.wait_idle)

    async def test_stream_of_requests(self, aio_channel: Any) -> None:
        async def bodies() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield bytes(30_000)

        reply: Any = await aio_channel.stream_unary("/echo.Echo/Collect")(bodies())
        assert json.loads(reply) == [100, 3_000_000]


SCRIPT = """
const grpc = require('@grpc/grpc-js');
const id = (b) => b;
const method = (name, up, down) => ({path: '/echo.Echo/' + name, requestStream: up,
  responseStream: down, requestSerialize: id, requestDeserialize: id,
  responseSerialize: id, responseDeserialize: id});
const Echo = grpc.makeGenericClientConstructor({unary: method('Unary', false, false),
  fail: method('Fail', false, false), chat: method('Chat', true, true),
  repeat: method('Repeat', false, true)}, 'Echo');
const client = new Echo(process.argv[1], grpc.credentials.createInsecure());
const deadline = () => ({deadline: Date.now() + 60000});
const seen = {};
const unary = (b) => new Promise((ok, no) =>
  client.unary(Buffer.from(b), deadline(), (e, r) => e ? no(e) : ok(r.toString())));
const fail = () => new Promise((ok) =>
  client.fail(Buffer.from('["NOT_FOUND", "50% é"]'), (e) => ok([e.code, e.details])));
const read = (call) => new Promise((ok, no) => { let n = 0;
  call.on('data', (d) => { n += d.length; }); call.on('end', () => ok(n)); call.on('error', no); });
(async () => {
  seen.unary = [];
  for (let i = 0; i < 50; i++) seen.unary.push(await unary('m' + i));
  seen.fail = await fail();
  seen.repeat = await read(client.repeat(Buffer.from('{"count": 300, "size": 4000}')));
  const chat = client.chat();
  const total = read(chat);
  for (let i = 0; i < 100; i++) chat.write(Buffer.alloc(i));
  chat.end();
  seen.chat = await total;
  console.log(JSON.stringify(seen));
  client.close();
})();
"""


def install_grpc_js() -> Path:
    """Return a folder with grpc-js in it, or skip."""
    if (NODE_CACHE / "node_modules" / "@grpc" / "grpc-js").is_dir():
        return NODE_CACHE
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js or npm is not installed")
    NODE_CACHE.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]
    try:
        done = subprocess.run(
            [*command, str(NODE_CACHE), GRPC_JS], capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm install took over 60 s")
    if done.returncode:
        pytest.skip(f"npm install failed: {done.stderr[-300:]}")
    return NODE_CACHE


def test_grpc_js(server: EchoServer) -> None:
    folder = install_grpc_js()
    done = subprocess.run(
        ["node", "-e", SCRIPT, f"127.0.0.1:{server.port}"],
        env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "unary": [f"m{i}" for i in range(50)],
        "fail": [5, "50% é"],
        "repeat": 1_200_000,
        "chat": sum(range(100)),
    }
