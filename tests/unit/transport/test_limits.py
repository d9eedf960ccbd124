"""Allowances, on a clock of numbers."""

from etcdpy.transport import ServerOptions
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import RateBucket, UselessFrames

from .peer import parse


class TestRateBucket:
    def test_burst_then_rate(self) -> None:
        bucket = RateBucket(capacity=3, per_second=2)
        assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
        assert [bucket.take(10.5), bucket.take(10.5)] == [True, False]

    def test_does_not_save_up_more_than_its_capacity(self) -> None:
        bucket = RateBucket(capacity=2, per_second=1)
        bucket.take(0.0)
        assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]

    def test_refused_takes_cost_nothing(self) -> None:
        bucket = RateBucket(capacity=1, per_second=1)
        bucket.take(5.0)
        assert not any(bucket.take(5.0) for _ in range(100))
        assert bucket.take(6.0)


class TestUselessFrames:
    def test_a_thousand_at_once_are_tolerated(self) -> None:
        useless = UselessFrames()
        assert not any(useless.is_flood(1.0, progress=0) for _ in range(1000))
        assert useless.is_flood(1.0, progress=0)

    def test_calls_earn_four_each(self) -> None:
        useless = UselessFrames()
        assert not any(useless.is_flood(1.0, progress=500) for _ in range(3000))
        assert useless.is_flood(1.0, progress=500)

    def test_what_is_earned_may_be_used_later(self) -> None:
        useless = UselessFrames()
        useless.is_flood(1.0, progress=4000)
        assert not any(useless.is_flood(90.0, progress=4000) for _ in range(15_999))

    def test_what_can_be_earned_is_bounded(self) -> None:
        useless = UselessFrames()
        frames_until_flood = 0
        while not useless.is_flood(1.0, progress=10**9):
            frames_until_flood += 1
        assert frames_until_flood == UselessFrames.MAX_EARNED + 1000


class TestServerOptions:
    def test_first_frames_raise_both_windows(self) -> None:
        settings, update = parse(ServerOptions().first_frames())
        assert frames.parse_settings(settings.payload) == [(4, 1 << 20), (5, 16384), (6, 65536)]
        assert (update.stream_id, 65535 + frames.parse_u32(update.payload)) == (0, 16 << 20)

    def test_stream_limit_is_advertised_only_if_set(self) -> None:
        settings, _ = parse(ServerOptions(max_concurrent_streams=7).first_frames())
        assert frames.parse_settings(settings.payload)[0] == (3, 7)

    def test_streams_are_limited_even_if_that_is_not_advertised(self) -> None:
        assert ServerOptions().live_streams == 10_000
        assert ServerOptions(max_concurrent_streams=7).live_streams == 7
