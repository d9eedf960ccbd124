"""What is remembered of header blocks, and for how long."""

import hpack
import pytest

from etcdpy.transport.grpc.request_head import MalformedRequest
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache, RequestHeadReader

from ..peer import request_fields, routes

PATH = "/test.Echo/Unary"


def encode(encoder: hpack.Encoder, *extra: tuple[str, str]) -> bytes:
    return encoder.encode(request_fields(PATH) + list(extra))


def test_repeated_block_is_known_once_the_table_is_settled() -> None:
    reader, encoder = RequestHeadReader(RequestHeadCache(routes())), hpack.Encoder()
    first = reader.read(encode(encoder))
    block = encode(encoder)
    assert block not in reader.known
    second = reader.read(block)
    assert reader.known[block] == second
    assert first[0] is second[0]


def test_change_of_the_table_forgets_blocks_but_not_heads() -> None:
    reader, encoder = RequestHeadReader(RequestHeadCache(routes())), hpack.Encoder()
    reader.read(encode(encoder))
    head, _ = reader.read(encode(encoder))
    with_timeout, seconds = reader.read(encode(encoder, ("grpc-timeout", "5S")))
    assert not reader.known
    assert with_timeout is head
    assert seconds == 5.0


def test_same_bytes_mean_other_fields_after_the_table_moved() -> None:
    reader, encoder = RequestHeadReader(RequestHeadCache(routes())), hpack.Encoder()
    block = b""
    for value in ("1", "2"):
        reader.read(encode(encoder, ("x", value)))
        block = encode(encoder, ("x", value))
        head, _ = reader.read(block)
        assert head.metadata == (("x", value),)


def test_connections_share_heads() -> None:
    memory = RequestHeadCache(routes())
    one, two = RequestHeadReader(memory), RequestHeadReader(memory)
    assert one.read(encode(hpack.Encoder()))[0] is two.read(encode(hpack.Encoder()))[0]


def test_registration_makes_heads_be_checked_again() -> None:
    table = routes()
    memory = RequestHeadCache(table)
    path = [(b":path", b"/new.Service/Method")]
    fields = [(n.encode(), v.encode()) for n, v in request_fields(PATH) if n != ":path"]
    refused, _ = memory.find(path + fields)
    assert refused.refusal is not None
    echo = table.find(b"/test.Echo/Unary")
    table._routes["/new.Service/Method"] = echo
    table.version += 1
    served, _ = memory.find(path + fields)
    assert served.refusal is None


def test_malformed_requests_are_not_remembered() -> None:
    reader, encoder = RequestHeadReader(RequestHeadCache(routes())), hpack.Encoder()
    for _ in range(3):
        with pytest.raises(MalformedRequest):
            reader.read(encode(encoder, ("te", "gzip")))
    assert not reader.known


def test_memory_is_bounded() -> None:
    memory = RequestHeadCache(routes())
    reader, encoder = RequestHeadReader(memory), hpack.Encoder()
    for number in range(RequestHeadCache.MAX_ENTRIES + 100):
        reader.read(encode(encoder, ("x", str(number))))
    assert len(memory._heads) <= RequestHeadCache.MAX_ENTRIES
    reader.read(encode(encoder, ("x", "y" * 5000)))
    assert all(sum(map(len, sum(key, ()))) < 3000 for key in memory._heads)


def test_large_head_keeps_its_room_for_as_long_as_it_lives() -> None:
    memory = RequestHeadCache(routes())
    reader, encoder = RequestHeadReader(memory), hpack.Encoder()
    block = encode(encoder, ("x-large", "y" * 50_000))
    pieces = reader.begin()
    pieces.feed(block[:20_000])
    pieces.feed(block[20_000:])
    head, timeout = reader.read_large(pieces)
    assert dict(head.metadata)["x-large"] == "y" * 50_000
    assert timeout is None
    del pieces
    assert memory.room.used > 50_000
    del head
    assert memory.room.used == 0


def test_large_block_may_change_what_others_mean() -> None:
    reader, encoder = RequestHeadReader(RequestHeadCache(routes())), hpack.Encoder()
    for _ in range(2):
        reader.read(encode(encoder))
    assert reader.known
    pieces = reader.begin()
    pieces.feed(encode(encoder, ("x", "new")))
    reader.read_large(pieces)
    assert not reader.known
