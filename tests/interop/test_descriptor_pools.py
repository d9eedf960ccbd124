"""etcdpy and a client that registers the same proto packages live in one Python process.

aetcd puts ``rpc.proto`` and ``kv.proto`` (packages etcdserverpb and mvccpb) into protobuf's
process-wide pool; a second set of descriptors there would end the import with a TypeError.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.interop import ROOT
from tests.interop.conftest import Pair

IMPORT_ETCDPY = "from etcdpy.pb import kv_pb2, rpc_pb2, rpc_pb2_grpc"
IMPORT_AETCD = "import aetcd"

ORDERS = {
    "etcdpy first": (IMPORT_ETCDPY, IMPORT_AETCD),
    "aetcd first": (IMPORT_AETCD, IMPORT_ETCDPY),
}

CROSS_PARSE = """
from google.protobuf import descriptor_pool
from aetcd.rpc import kv_pb2 as their_kv, rpc_pb2 as theirs

default = descriptor_pool.Default()
assert default.FindMessageTypeByName("etcdserverpb.TxnRequest") is theirs.TxnRequest.DESCRIPTOR
assert rpc_pb2.TxnRequest.DESCRIPTOR is not theirs.TxnRequest.DESCRIPTOR
assert rpc_pb2.TxnRequest.DESCRIPTOR.full_name == "etcdserverpb.TxnRequest"

def message(rpc, kv):
    compare = rpc.Compare(key=b"k", target=rpc.Compare.VALUE, value=b"v")
    put = rpc.RequestOp(request_put=rpc.PutRequest(key=b"k", value=b"w", prev_kv=True))
    return rpc.TxnRequest(compare=[compare], success=[put]), kv.KeyValue(key=b"k", version=3)

for ours, other in zip(message(rpc_pb2, kv_pb2), message(theirs, their_kv)):
    assert type(ours).FromString(other.SerializeToString()) == ours
    assert type(other).FromString(ours.SerializeToString()) == other
"""

TALK = """
import asyncio, sys
import grpc

async def main(address):
    host, port = address.split(":")
    async with grpc.aio.insecure_channel(address) as channel:
        kv = rpc_pb2_grpc.KVStub(channel)
        async with aetcd.Client(host, int(port)) as client:
            await client.put(b"theirs", b"1")
            await kv.Put(rpc_pb2.PutRequest(key=b"ours", value=b"2"))
            assert (await client.get(b"ours")).value == b"2"
            reply = await kv.Range(rpc_pb2.RangeRequest(key=b"theirs"))
            assert reply.kvs[0].value == b"1"

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("order", ORDERS)
def test_both_sets_of_messages_work(order: str) -> None:
    _run("\n".join([*ORDERS[order], CROSS_PARSE]))


@pytest.mark.parametrize("order", ORDERS)
def test_both_sets_of_stubs_work(order: str, pair: Pair) -> None:
    for server in (pair.etcdpy, pair.etcd):
        _run("\n".join([*ORDERS[order], TALK]), server.address)


def test_the_server_and_a_client_of_it_share_a_process() -> None:
    _run(f"{IMPORT_AETCD}\nimport etcdpy.cli\n{IMPORT_ETCDPY}\n{CROSS_PARSE}")


def _run(code: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
