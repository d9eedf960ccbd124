"""SETTINGS that we send, and those that we get."""

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.http2.settings import ClientSettings, first_frames, read_settings

from ..peer import parse, parse_u32


class TestFirstFrames:
    def test_first_frames_raise_both_windows(self) -> None:
        settings, update = parse(first_frames(None))
        assert frames.parse_settings(settings.payload) == [(4, 1 << 20), (5, 16384), (6, 1 << 20)]
        assert (update.stream_id, 65535 + parse_u32(update.payload)) == (0, 16 << 20)

    def test_stream_limit_is_advertised_only_if_set(self) -> None:
        settings, _ = parse(first_frames(7))
        assert frames.parse_settings(settings.payload)[0] == (3, 7)


def payload(*values: tuple[int, int]) -> bytes:
    """The payload of a SETTINGS frame."""
    return frames.settings(values)[frames.HEADER_SIZE :]


class TestClientSettings:
    def test_empty_frame_changes_nothing(self) -> None:
        assert read_settings(b"") == ClientSettings(None, None, False)

    def test_what_concerns_us_is_returned(self) -> None:
        read = read_settings(
            payload(
                (frames.HEADER_TABLE_SIZE, 4096),
                (frames.INITIAL_WINDOW_SIZE, 7),
                (frames.MAX_HEADER_LIST_SIZE, 9),
            )
        )
        assert read == ClientSettings(initial_window=7, max_list=9, names_table_size=True)

    def test_of_several_values_the_last_counts(self) -> None:
        read = read_settings(payload(*((frames.INITIAL_WINDOW_SIZE, n) for n in range(5))))
        assert read.initial_window == 4

    @pytest.mark.parametrize(
        "setting",
        [
            (0xFE03, 2**32 - 1),
            (frames.ENABLE_PUSH, 0),
            (frames.ENABLE_PUSH, 1),
            (frames.MAX_CONCURRENT_STREAMS, 0),
            (frames.SETTINGS_MAX_FRAME_SIZE, 16384),
            (frames.SETTINGS_MAX_FRAME_SIZE, 2**24 - 1),
        ],
    )
    def test_what_does_not_concern_us_changes_nothing(self, setting: tuple[int, int]) -> None:
        assert read_settings(payload(setting)) == ClientSettings(None, None, False)

    def test_largest_window_is_allowed(self) -> None:
        read = read_settings(payload((frames.INITIAL_WINDOW_SIZE, 2**31 - 1)))
        assert read.initial_window == 2**31 - 1

    @pytest.mark.parametrize(
        ("setting", "code"),
        [
            ((frames.ENABLE_PUSH, 2), frames.PROTOCOL_ERROR),
            ((frames.INITIAL_WINDOW_SIZE, 2**31), frames.FLOW_CONTROL_ERROR),
            ((frames.SETTINGS_MAX_FRAME_SIZE, 16383), frames.PROTOCOL_ERROR),
            ((frames.SETTINGS_MAX_FRAME_SIZE, 2**24), frames.PROTOCOL_ERROR),
        ],
    )
    def test_value_that_is_not_allowed_is_a_fault(
        self, setting: tuple[int, int], code: int
    ) -> None:
        with pytest.raises(ConnectionFault) as caught:
            read_settings(payload(setting))
        assert caught.value.code == code

    @pytest.mark.parametrize("size", [1, 5, 7])
    def test_length_is_a_multiple_of_6(self, size: int) -> None:
        with pytest.raises(ConnectionFault) as caught:
            read_settings(bytes(size))
        assert caught.value.code == frames.FRAME_SIZE_ERROR
