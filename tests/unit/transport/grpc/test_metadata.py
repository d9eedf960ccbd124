"""Custom metadata and timeouts in header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.transport.grpc import metadata
from etcdpy.transport.grpc.metadata import parse_timeout, read_metadata, write_metadata
from etcdpy.transport.grpc.status import ProtocolStatus


class TestReading:
    def test_duplicates_are_kept_in_order(self) -> None:
        fields = [(b"x-y", b"1"), (b"token", b"t"), (b"x-y", b"2")]
        assert read_metadata(fields) == (("x-y", "1"), ("token", "t"), ("x-y", "2"))

    def test_what_grpc_itself_means_is_no_metadata(self) -> None:
        fields = [
            (b":path", b"/"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"grpc-timeout", b"1S"),
            (b"grpc-encoding", b"gzip"),
            (b"grpc-unknown", b"kept"),
            (b"user-agent", b"kept, too"),
        ]
        assert read_metadata(fields) == (("grpc-unknown", "kept"), ("user-agent", "kept, too"))

    @pytest.mark.parametrize("value", [b"a\tb", b"caf\xe9"])
    def test_unprintable_values_are_left_out(self, value: bytes) -> None:
        assert read_metadata([(b"x", value), (b"y", b"ok")]) == (("y", "ok"),)

    @pytest.mark.parametrize("value", [b"AQI", b"AQI="])
    def test_binary_values_may_be_padded_or_not(self, value: bytes) -> None:
        assert read_metadata([(b"foo-bin", value)]) == (("foo-bin", b"\1\2"),)

    @pytest.mark.parametrize(
        ("value", "offset"),
        [
            (b"!!!", 0),
            (b"AQ!=", 2),
            (b"A", 0),
            (b"AQ=", 2),
            (b"AQ=A", 2),
            (b"=AAA", 0),
            (b"AQI,AQI", 3),
        ],
    )
    def test_bad_base64_is_named_with_its_offset(self, value: bytes, offset: int) -> None:
        with pytest.raises(ProtocolStatus) as caught:
            read_metadata([(b"foo-bin", value)])
        assert caught.value.details == (
            f'malformed binary metadata "{value.decode()}" in header "foo-bin": '
            f"illegal base64 data at input byte {offset}"
        )

    def test_of_several_faults_the_last_is_named(self) -> None:
        with pytest.raises(ProtocolStatus, match='"a-bin"'):
            read_metadata([(b"b-bin", b"!"), (b"a-bin", b"!"), (b"c-bin", b"AQI")])

    def test_of_several_faults_one_costs_the_time_of_words(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Header compression lets a client say a long value again and again for a byte."""
        quoted: list[bytes] = []

        def quote(value: bytes) -> str:
            quoted.append(value)
            return ""

        monkeypatch.setattr(metadata, "go_quote", quote)
        with pytest.raises(ProtocolStatus):
            read_metadata([(b"a-bin", b"!"), *[(b"b-bin", b"?")] * 1000])
        assert quoted == [b"?", b"b-bin"]


class TestWriting:
    @given(st.binary())
    def test_binary_values_come_back(self, value: bytes) -> None:
        (entry,) = read_metadata(write_metadata([("x-bin", value)]))
        assert entry == ("x-bin", value)

    def test_text_goes_as_it_is(self) -> None:
        assert write_metadata([("x", "a b")]) == [(b"x", b"a b")]

    @pytest.mark.parametrize(
        ("key", "value"),
        [("X", "a"), ("", "a"), ("grpc-x", "a"), ("x y", "a"), ("x", "a\n"), ("x", "é")],
    )
    def test_what_cannot_be_sent_is_refused(self, key: str, value: str) -> None:
        with pytest.raises(ValueError):
            write_metadata([(key, value)])


class TestTimeout:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (b"2H", 7200.0),
            (b"3M", 180.0),
            (b"4S", 4.0),
            (b"5380m", 5.38),
            (b"4999056u", 4.999056),
            (b"99999999n", 0.099999999),
            (b"0n", 0.0),
        ],
    )
    def test_units(self, value: bytes, seconds: float) -> None:
        assert parse_timeout(value) == pytest.approx(seconds)

    def test_more_hours_than_go_can_count_are_for_ever(self) -> None:
        assert parse_timeout(b"99999999H") is None

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (b"", 'transport: timeout string is too short: ""'),
            (b"1", 'transport: timeout string is too short: "1"'),
            (b"123456789S", 'transport: timeout string is too long: "123456789S"'),
            (b"1x", 'transport: timeout unit is not recognized: "1x"'),
            (b"1s", 'transport: timeout unit is not recognized: "1s"'),
            (b"-1S", 'strconv.ParseUint: parsing "-1": invalid syntax'),
            (b"1.5S", 'strconv.ParseUint: parsing "1.5": invalid syntax'),
            (b" 1S", 'strconv.ParseUint: parsing " 1": invalid syntax'),
        ],
    )
    def test_malformed_ones_are_described_as_grpc_go_does(self, value: bytes, reason: str) -> None:
        with pytest.raises(ProtocolStatus) as caught:
            parse_timeout(value)
        assert caught.value.details == f"malformed grpc-timeout: {reason}"
