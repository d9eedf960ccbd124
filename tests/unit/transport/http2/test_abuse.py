"""Allowances, on a clock of numbers."""

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.abuse import AbuseGuard, RateBucket, UselessFrames
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.limits import MAX_FAULT_RESETS


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


class TestAbuseGuard:
    def test_a_thousand_faults_are_tolerated(self) -> None:
        guard = AbuseGuard()
        for _ in range(MAX_FAULT_RESETS):
            guard.count_fault()
        with pytest.raises(ConnectionFault, match="too many faults") as caught:
            guard.count_fault()
        assert caught.value.code == frames.ENHANCE_YOUR_CALM

    def test_two_hundred_resets_a_second_are_tolerated_for_ever(self) -> None:
        guard = AbuseGuard()
        for second in range(100):
            for _ in range(200):
                guard.count_reset(float(second))
        for _ in range(1000):
            guard.count_reset(100.0)
        with pytest.raises(ConnectionFault, match="too many resets") as caught:
            guard.count_reset(100.0)
        assert caught.value.code == frames.ENHANCE_YOUR_CALM

    def test_useless_frames_are_counted_against_progress(self) -> None:
        guard = AbuseGuard()
        for _ in range(1400):
            guard.count_useless(1.0, progress=100)
        with pytest.raises(ConnectionFault, match="too many useless frames") as caught:
            guard.count_useless(1.0, progress=100)
        assert caught.value.code == frames.ENHANCE_YOUR_CALM
