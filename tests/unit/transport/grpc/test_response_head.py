"""Header blocks of answers, read back by another decoder."""

import hpack

from etcdpy.transport.grpc.response_head import TRAILERS_OK, response_head, status_block


def fields(block: bytes | None) -> list[tuple[str, str]]:
    assert block is not None
    return [(str(name), str(value)) for name, value in hpack.Decoder().decode(block)]


def test_response_head_says_200_and_echoes_the_type() -> None:
    assert fields(response_head(b"application/grpc+proto", b"gzip").block) == [
        (":status", "200"),
        ("content-type", "application/grpc+proto"),
        ("grpc-encoding", "gzip"),
    ]


def test_success_has_an_empty_message() -> None:
    assert fields(TRAILERS_OK) == [("grpc-status", "0"), ("grpc-message", "")]


def test_status_alone_has_all_in_one_block() -> None:
    block = status_block(12, "nö", opened=False, http_status=415)
    assert fields(block) == [
        (":status", "415"),
        ("content-type", "application/grpc"),
        ("grpc-status", "12"),
        ("grpc-message", "n%C3%B6"),
    ]


def test_trailing_metadata_follows_the_status() -> None:
    assert fields(status_block(5, "", [("x-bin", b"\1")])) == [
        ("grpc-status", "5"),
        ("grpc-message", ""),
        ("x-bin", "AQ"),
    ]


def test_details_are_cut_to_what_the_peer_takes() -> None:
    block = status_block(2, "é" * 1000, max_list=300)
    listed = fields(block)
    assert sum(len(name) + len(value) + 32 for name, value in listed) <= 300
    assert len(listed[1][1]) > 150


def test_nothing_is_cut_that_fits_exactly() -> None:
    room = 32 + len("grpc-status") + 1 + 32 + len("grpc-message") + 100
    assert fields(status_block(2, "x" * 100, max_list=room))[1][1] == "x" * 100
    assert fields(status_block(2, "x" * 100, max_list=room - 1))[1][1] == "x" * 99


def test_block_that_cannot_fit_is_none() -> None:
    assert status_block(2, "", max_list=50) is None
