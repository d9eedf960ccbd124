"""The Huffman decoder against RFC 7541 and against the hpack library."""

import random
import subprocess
import sys

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.transport.http2 import huffman
from etcdpy.transport.http2.huffman import HuffmanError, huffman_decode

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def bits(text: str) -> bytes:
    """Return the bytes whose bits ``text`` spells; blanks do not count."""
    digits = text.replace(" ", "")
    assert len(digits) % 8 == 0
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


@pytest.mark.parametrize(
    ("coded", "text"),
    [
        ("f1e3c2e5f23a6ba0ab90f4ff", b"www.example.com"),
        ("a8eb10649cbf", b"no-cache"),
        ("25a849e95ba97d7f", b"custom-key"),
        ("25a849e95bb8e8b4bf", b"custom-value"),
        ("6402", b"302"),
        ("aec3771a4b", b"private"),
        ("d07abe941054d444a8200595040b8166e082a62d1bff", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        ("9d29ad171863c78f0b97c8e9ae82ae43d3", b"https://www.example.com"),
        ("", b""),
    ],
)
def test_decodes_the_strings_of_rfc_7541_appendix_c(coded: str, text: bytes) -> None:
    assert huffman_decode(bytes.fromhex(coded)) == text


def test_decodes_every_symbol() -> None:
    for symbol in range(256):
        text = bytes((symbol,))
        assert huffman_decode(ENCODER.encode(text)) == text


@given(st.binary(max_size=300))
def test_decodes_what_another_library_encodes(text: bytes) -> None:
    assert huffman_decode(ENCODER.encode(text)) == text


def test_long_and_short_strings_decode_alike() -> None:
    text = bytes(random.Random(7).randbytes(5000))
    assert huffman_decode(ENCODER.encode(text)) == text
    assert b"".join(huffman_decode(ENCODER.encode(text[i : i + 7])) for i in range(0, 5000, 7)) == (
        text
    )


@pytest.mark.parametrize(
    ("reason", "coded"),
    [
        ("padding of zeros", bits("00011 000")),
        ("padding with one zero", bits("00011 101")),
        ("eight bits of padding", bits("00011 111 11111111") + b""),
        ("a whole byte of padding", b"\xff"),
        ("three bytes of padding", b"\xff\xff\xff"),
        ("EOS", b"\xff\xff\xff\xff"),
        ("EOS between symbols", bits("00011" + "1" * 30 + "00011")),
        ("a symbol cut short", bits("11111110")),
    ],
)
def test_refuses(reason: str, coded: bytes) -> None:
    for _ in range(2):  # the answer is the same when the steps are known
        with pytest.raises(HuffmanError):
            huffman_decode(coded)


@given(st.binary(max_size=64))
def test_noise_decodes_or_is_refused(noise: bytes) -> None:
    try:
        text = huffman_decode(noise)
    except HuffmanError:
        return
    # What is accepted is the one encoding of the result.
    assert ENCODER.encode(text) == noise


def test_string_in_pieces_is_the_same() -> None:
    text = bytes(range(256))
    coded = ENCODER.encode(text)
    for cut in range(len(coded)):
        stream = huffman.HuffmanStream()
        assert stream.feed(coded[:cut]) + stream.feed(coded[cut:]) == text
        stream.finish()
    stream = huffman.HuffmanStream()
    stream.feed(coded[:1])
    with pytest.raises(HuffmanError):
        stream.finish()


def test_tables_stay_bounded_under_noise() -> None:
    rng = random.Random(1)
    for _ in range(300):
        try:
            huffman_decode(rng.randbytes(65))
        except HuffmanError:
            continue
    # One row more is that of all states which nothing has come to.
    assert len(huffman._steps()) == 257
    assert all(len(row) == 256 for row in huffman._steps())
    assert huffman._decode_short.cache_info().maxsize == 1024


def test_import_builds_no_large_table() -> None:
    """Start-up time counts; the tables must take no more than a few milliseconds."""
    code = (
        "import importlib, sys, time, etcdpy.transport.http2.huffman as h\n"
        "times = []\n"
        "for _ in range(5):\n"
        "    start = time.process_time(); importlib.reload(h)\n"
        "    times.append(time.process_time() - start)\n"
        "print(min(times))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.020, "a build costs about 0.001 s"
