"""HPACK against RFC 7541, against the hpack library, and against noise."""

import random

import pytest
from hpack import Decoder as ReferenceDecoder
from hpack import Encoder as ReferenceEncoder
from hpack.hpack import encode_integer
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.transport.http2.hpack import (
    CONTENT_TYPE_INDEX,
    EMPTY_TABLE,
    Decoder,
    HeaderListBomb,
    HeaderListTooLarge,
    HpackError,
    encode_int,
    encode_list,
    encode_literal,
    encode_static_name,
    encode_status,
)
from etcdpy.transport.http2.hpack_static import STATIC_FIELDS

Fields = list[tuple[bytes, bytes]]

GRPC_GO = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/etcdserverpb.KV/Range"),
    (b":authority", b"127.0.0.1:2379"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"grpc-go/1.82.1"),
    (b"te", b"trailers"),
]

names = st.one_of(
    st.sampled_from([name for name, _ in STATIC_FIELDS]),
    st.sampled_from([b"token", b"x-y", b"grpc-timeout", b"foo-bin"]),
    st.binary(max_size=20),
)
values = st.one_of(
    st.sampled_from([value for _, value in STATIC_FIELDS]),
    st.binary(max_size=60),
    st.integers(1, 9_999_999).map(lambda number: b"%du" % number),
)
lists = st.lists(st.tuples(names, values), max_size=20)


def inserted(name: bytes, value: bytes) -> bytes:
    """Return a literal with incremental indexing and a literal name, not Huffman coded."""
    return b"\x40" + encode_literal(name, value)[1:]


def table(decoder: Decoder) -> Fields:
    """Return the dynamic table, newest entry first, as a peer would find it by index."""
    found: Fields = []
    while True:
        try:
            found += decoder.decode(encode_int(62 + len(found), 7, 0x80))
        except HpackError:
            return found


FIRST: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"www.example.com"),
]
SECOND: Fields = [*FIRST, (b"cache-control", b"no-cache")]
THIRD: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]


class TestAppendixC:
    """The examples of RFC 7541 Appendix C: blocks in, lists and table sizes out."""

    COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"

    @pytest.mark.parametrize(
        ("block", "field", "size"),
        [
            (
                "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
                (b"custom-key", b"custom-header"),
                55,
            ),
            ("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), 0),
            ("100870617373776f726406736563726574", (b"password", b"secret"), 0),
            ("82", (b":method", b"GET"), 0),
        ],
    )
    def test_representations(self, block: str, field: tuple[bytes, bytes], size: int) -> None:
        decoder = Decoder()
        assert decoder.decode(bytes.fromhex(block)) == [field]
        assert decoder.table_size == size

    @pytest.mark.parametrize(
        "blocks",
        [
            (
                "828684410f7777772e6578616d706c652e636f6d",
                "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ),
            (
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ),
        ],
        ids=["plain", "huffman"],
    )
    def test_requests(self, blocks: tuple[str, str, str]) -> None:
        decoder = Decoder()
        seen = [(decoder.decode(bytes.fromhex(b)), decoder.table_size) for b in blocks]
        assert seen == [(FIRST, 57), (SECOND, 110), (THIRD, 164)]

    @pytest.mark.parametrize(
        "blocks",
        [
            (
                "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120"
                "474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
                "4803333037c1c0bf",
                "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738"
                "666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d33"
                "3630303b2076657273696f6e3d31",
            ),
            (
                "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad1718"
                "63c78f0b97c8e9ae82ae43d3",
                "4883640effc1c0bf",
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7"
                "b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ),
        ],
        ids=["plain", "huffman"],
    )
    def test_responses_evict(self, blocks: tuple[str, str, str]) -> None:
        decoder = Decoder()
        decoder.decode(encode_int(256, 5, 0x20))
        rest = [
            (b"cache-control", b"private"),
            (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
            (b"location", b"https://www.example.com"),
        ]
        first, second, third = (decoder.decode(bytes.fromhex(block)) for block in blocks)
        assert first == [(b":status", b"302"), *rest]
        assert second == [(b":status", b"307"), *rest]
        assert third == [
            (b":status", b"200"),
            rest[0],
            (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT"),
            rest[2],
            (b"content-encoding", b"gzip"),
            (b"set-cookie", self.COOKIE),
        ]
        assert decoder.table_size == 215
        assert [name for name, _ in table(decoder)] == [b"set-cookie", b"content-encoding", b"date"]


class TestAgainstReference:
    @given(st.lists(st.tuples(lists, st.booleans()), max_size=6))
    def test_lists_come_out_as_they_went_in(self, blocks: list[tuple[Fields, bool]]) -> None:
        encoder, decoder = ReferenceEncoder(), Decoder()
        for fields, huffman in blocks:
            assert decoder.decode(encoder.encode(fields, huffman=huffman)) == fields

    @given(lists)
    def test_reference_decodes_our_blocks(self, fields: Fields) -> None:
        reference = ReferenceDecoder()
        assert reference.decode(EMPTY_TABLE + encode_list(fields), raw=True) == fields
        assert Decoder().decode(encode_list(fields)) == fields

    def test_a_long_connection_with_changing_table_sizes(self) -> None:
        rng = random.Random(20)
        encoder, decoder = ReferenceEncoder(), Decoder()
        vocabulary = [rng.randbytes(rng.randrange(1, 300)) for _ in range(120)]
        for _ in range(3000):
            if rng.random() < 0.02:
                encoder.header_table_size = rng.choice([0, 40, 100, 1000, 4096])
            fields = [
                (rng.choice(vocabulary), rng.choice(vocabulary)) for _ in range(rng.randrange(8))
            ]
            block = encoder.encode(fields, huffman=rng.random() < 0.5)
            assert decoder.decode(block) == fields
            assert decoder.table_size <= 4096

    def test_noise_is_judged_alike(self) -> None:
        """Blocks bent at random: both decoders agree on the list, or both refuse."""
        rng = random.Random(21)
        for _ in range(3000):
            encoder = ReferenceEncoder()
            block = bytearray(encoder.encode(GRPC_GO, huffman=rng.random() < 0.5))
            for _ in range(rng.randrange(1, 4)):
                block[rng.randrange(len(block))] = rng.randrange(256)
            try:
                expected = [tuple(f) for f in ReferenceDecoder().decode(bytes(block), raw=True)]
            except Exception:  # noqa: BLE001  (the library raises more kinds than it lists)
                expected = None
            try:
                found = Decoder().decode(bytes(block))
            except HpackError:
                found = None
            assert found == expected


class TestDynamicTable:
    def test_newest_entry_has_the_lowest_index(self) -> None:
        decoder = Decoder()
        decoder.decode(inserted(b"a", b"1") + inserted(b"b", b"2"))
        assert decoder.decode(b"\xbe\xbf") == [(b"b", b"2"), (b"a", b"1")]

    def test_indexed_name_takes_a_new_value(self) -> None:
        decoder = Decoder()
        decoder.decode(inserted(b"grpc-timeout", b"1S"))
        assert decoder.decode(b"\x7e\x022S") == [(b"grpc-timeout", b"2S")]
        assert table(decoder) == [(b"grpc-timeout", b"2S"), (b"grpc-timeout", b"1S")]

    def test_name_survives_its_own_eviction(self) -> None:
        # RFC 7541 4.4: a new entry may refer to the name of one it evicts.
        decoder = Decoder()
        decoder.decode(encode_int(60, 5, 0x20) + inserted(b"name", b"1" * 20))
        assert decoder.decode(b"\x7e" + b"\x14" + b"2" * 20) == [(b"name", b"2" * 20)]
        assert table(decoder) == [(b"name", b"2" * 20)]

    def test_entry_larger_than_the_table_empties_it(self) -> None:
        decoder = Decoder()
        decoder.decode(inserted(b"a", b"1"))
        assert decoder.decode(inserted(b"big", b"x" * 4096)) == [(b"big", b"x" * 4096)]
        assert table(decoder) == []
        assert decoder.table_size == 0

    def test_indices_past_the_prefix_of_one_byte(self) -> None:
        decoder = Decoder()
        decoder.decode(b"".join(inserted(b"%d" % i, b"") for i in range(100)))
        assert decoder.decode(encode_int(62 + 99, 7, 0x80)) == [(b"0", b"")]
        assert decoder.decode(encode_int(127, 7, 0x80)) == [(b"34", b"")]

    def test_size_zero_then_full_empties_the_table(self) -> None:
        decoder = Decoder()
        decoder.decode(inserted(b"a", b"1"))
        assert decoder.decode(b"\x20" + encode_int(4096, 5, 0x20) + b"\x82") == [
            (b":method", b"GET")
        ]
        assert table(decoder) == []
        decoder.decode(inserted(b"a", b"1"))
        assert table(decoder) == [(b"a", b"1")]

    def test_generation_stays_while_nothing_changes(self) -> None:
        decoder = Decoder()
        decoder.decode(inserted(b"a", b"1"))
        generation = decoder.generation
        decoder.decode(b"\x83\xbe" + encode_literal(b"b", b"2") + b"\x11\x01x")
        assert decoder.generation == generation

    @pytest.mark.parametrize("change", [inserted(b"b", b"2"), b"\x20", inserted(b"b", b"2" * 5000)])
    def test_generation_moves_with_every_change(self, change: bytes) -> None:
        decoder = Decoder()
        decoder.decode(inserted(b"a", b"1"))
        generation = decoder.generation
        decoder.decode(change)
        assert decoder.generation > generation


class TestMalformed:
    @pytest.mark.parametrize(
        ("reason", "block"),
        [
            ("index 0", b"\x80"),
            ("index past an empty table", b"\xbe"),
            ("long index past the table", encode_int(500, 7, 0x80)),
            ("name index past the table", b"\x7e\x01a"),
            ("size over the limit", encode_int(4097, 5, 0x20)),
            ("size update after a field", b"\x82\x20"),
            ("integer without end", b"\xff\x80"),
            ("integer of five more bytes", b"\xff\x80\x80\x80\x80\x00"),
            ("integer overflow", b"\xff\xff\xff\xff\xff\xff\x7f"),
            ("no value", b"\x00\x01a"),
            ("no name", b"\x40"),
            ("name cut short", b"\x00\x05ab"),
            ("value cut short", b"\x00\x01a\x05ab"),
            ("length cut short", b"\x00\x01a\x7f"),
            ("absurd length", b"\x00\x01a\x7f\xff\xff\xff\x7f"),
            ("Huffman padding of zeros", b"\x00\x01a\x81\x18"),
            ("Huffman padding of a byte", b"\x00\x01a\x82\x1f\xff"),
            ("EOS", b"\x00\x01a\x84\xff\xff\xff\xff"),
        ],
    )
    def test_refuses(self, reason: str, block: bytes) -> None:
        with pytest.raises(HpackError):
            Decoder().decode(block)

    def test_every_prefix_of_a_block_decodes_or_is_refused(self) -> None:
        block = ReferenceEncoder().encode(GRPC_GO)
        whole = Decoder().decode(block)
        for end in range(len(block)):
            try:
                fields = Decoder().decode(block[:end])
            except HpackError:
                continue
            assert fields == whole[: len(fields)]

    @given(st.lists(st.binary(max_size=200), max_size=8))
    def test_noise_raises_only_documented_errors(self, blocks: list[bytes]) -> None:
        decoder = Decoder(max_list_size=1000)
        for block in blocks:
            try:
                fields = decoder.decode(block)
            except HeaderListTooLarge:
                continue
            except HpackError:
                break
            assert sum(len(name) + len(value) + 32 for name, value in fields) <= 1000
            assert decoder.table_size <= 4096

    def test_table_accounts_match_its_entries_under_noise(self) -> None:
        rng = random.Random(22)
        for _ in range(200):
            decoder = Decoder()
            for _ in range(30):
                try:
                    decoder.decode(rng.randbytes(rng.randrange(1, 40)))
                except (HpackError, HeaderListTooLarge):
                    break
            held = table(decoder)
            assert decoder.table_size == sum(len(n) + len(v) + 32 for n, v in held)


class TestLimits:
    def test_list_at_the_limit_is_fine(self) -> None:
        field = (b"a", b"b" * 67)  # 100 bytes as counted
        assert Decoder(max_list_size=1000).decode(encode_list([field] * 10)) == [field] * 10

    def test_list_over_the_limit_leaves_the_table_in_step(self) -> None:
        decoder = Decoder(max_list_size=1000)
        block = encode_list([(b"a", b"b" * 67)] * 11) + inserted(b"kept", b"1")
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(block)
        assert decoder.decode(b"\xbe") == [(b"kept", b"1")]

    def test_twice_the_limit_ends_the_connection(self) -> None:
        with pytest.raises(HeaderListBomb):
            Decoder(max_list_size=1000).decode(encode_list([(b"a", b"b" * 67)] * 21))

    def test_bomb_of_references_is_given_up_early(self) -> None:
        """One 4,000-byte entry, then 60,000 references to it: 240 MB if it were copied."""
        decoder = Decoder()
        decoder.decode(inserted(b"x", b"y" * 4000))
        with pytest.raises(HeaderListBomb):
            decoder.decode(b"\xbe" * 60_000)

    @pytest.mark.parametrize("huffman", [False, True])
    @pytest.mark.parametrize("which", ["name", "value"])
    def test_string_over_the_limit_refuses_the_list_alone(self, huffman: bool, which: str) -> None:
        long = b"0" * 32769
        field = (long, b"v") if which == "name" else (b"n", long)
        encoder, decoder = ReferenceEncoder(), Decoder()
        decoder.decode(encoder.encode(GRPC_GO))
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(encoder.encode([field], huffman=huffman))
        fields = [*GRPC_GO, (b"after", b"1")]
        assert decoder.decode(encoder.encode(fields)) == fields

    def test_string_too_long_even_when_coded_leaves_the_table_in_step(self) -> None:
        encoder, decoder = ReferenceEncoder(), Decoder(max_list_size=200_000)
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(encoder.encode([(b"n", b"0" * 60_000)], huffman=True))
        assert decoder.decode(encoder.encode(GRPC_GO)) == GRPC_GO

    def test_string_at_the_limit_is_fine(self) -> None:
        fields = [(b"n", b"0" * 32768)]
        assert Decoder().decode(ReferenceEncoder().encode(fields)) == fields


class TestEncoder:
    @pytest.mark.parametrize(
        ("value", "prefix_bits", "coded"),
        [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a"), (31, 5, "1f00"), (127, 7, "7f00")],
    )
    def test_integers_of_rfc_7541_c_1(self, value: int, prefix_bits: int, coded: str) -> None:
        assert encode_int(value, prefix_bits).hex() == coded

    @given(st.integers(0, 2**28), st.integers(1, 8))
    def test_integers_match_the_reference(self, value: int, prefix_bits: int) -> None:
        assert encode_int(value, prefix_bits) == bytes(encode_integer(value, prefix_bits))

    @pytest.mark.parametrize(
        ("status", "coded"), [(200, "88"), (404, "8d"), (415, "0803343135"), (503, "0803353033")]
    )
    def test_status(self, status: int, coded: str) -> None:
        assert encode_status(status).hex() == coded
        assert Decoder().decode(encode_status(status)) == [(b":status", b"%d" % status)]

    def test_static_name(self) -> None:
        block = encode_static_name(CONTENT_TYPE_INDEX, b"application/grpc")
        assert block[:3].hex() == "0f1010"
        assert ReferenceDecoder().decode(block, raw=True) == [
            (b"content-type", b"application/grpc")
        ]

    def test_long_strings(self) -> None:
        fields = [(b"n" * 200, b"v" * 70_000)]
        assert Decoder(4096, 10**6, 10**5).decode(encode_list(fields)) == fields

    def test_empty_table_is_accepted_at_the_start_of_a_block(self) -> None:
        assert ReferenceDecoder().decode(EMPTY_TABLE + b"\x88", raw=True) == [(b":status", b"200")]
