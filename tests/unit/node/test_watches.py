"""A node is watched."""

from etcdpy.node.watches import Watches
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import opened
from tests.unit.watch.fake_writer import FakeWriter


async def test_watch_is_confirmed_and_fed() -> None:
    async with opened() as timed:
        client = FakeWriter()
        assert isinstance(timed.node, Watches)
        session = timed.node.watch(client, ANYBODY)
        session.create(pb.WatchCreateRequest(key=b"a"))
        await timed.put(b"a")
        session.close()
        created, event = client.responses
        assert (created.created, created.watch_id) == (True, 0)
        assert event.events[0].kv.key == b"a"
