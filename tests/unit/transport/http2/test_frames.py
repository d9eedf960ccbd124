"""The frames we write, byte by byte."""

from etcdpy.transport.http2 import frames

from ..peer import Frame, parse


def test_frame_is_length_type_flags_stream_and_payload() -> None:
    assert (
        frames.frame(frames.DATA, 1, 3, b"abc") == bytes.fromhex("000003 00 01 00000003") + b"abc"
    )


def test_control_frames_have_their_fixed_layouts() -> None:
    assert frames.rst_stream(5, frames.CANCEL).hex() == "000004030000000005" + "00000008"
    assert frames.window_update(0, 65536).hex() == "000004080000000000" + "00010000"
    assert frames.ping(b"12345678", ack=True) == bytes.fromhex("000008060100000000") + b"12345678"
    assert frames.settings([(4, 1 << 20)]).hex() == "000006040000000000" + "000400100000"
    assert frames.SETTINGS_ACK.hex() == "000000040100000000"
    assert (
        frames.goaway(7, 11, b"no").hex() == "00000a070000000000" + "00000007" + "0000000b" + "6e6f"
    )


def test_settings_are_read_back_in_order() -> None:
    pairs = [(4, 1), (3, 2), (4, 3)]
    (written,) = parse(frames.settings(pairs))
    assert frames.parse_settings(written.payload) == pairs


def test_short_block_is_one_frame() -> None:
    assert list(parse(frames.headers(1, b"x", end_stream=True))) == [
        Frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, b"x")
    ]


def test_long_block_goes_on_in_continuations() -> None:
    block = bytes(40_000)
    first, second, third = parse(frames.headers(1, block, end_stream=True))
    assert (first.kind, first.flags) == (frames.HEADERS, frames.END_STREAM)
    assert (second.kind, second.flags) == (frames.CONTINUATION, 0)
    assert (third.kind, third.flags) == (frames.CONTINUATION, frames.END_HEADERS)
    assert first.payload + second.payload + third.payload == block
