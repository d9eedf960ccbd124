"""Pings in both directions, on a clock of numbers."""

from etcdpy.transport.http2.keepalive import Keepalive, PingPolicy


class TestPingPolicy:
    def test_the_fourth_quick_ping_is_one_too_many(self) -> None:
        policy = PingPolicy(min_time=5.0)
        pings = [policy.is_too_many(now, open_streams=True) for now in (1.0, 1.1, 1.2, 1.3)]
        assert pings == [False, False, False, True]

    def test_pings_at_the_permitted_pace_are_never_too_many(self) -> None:
        policy = PingPolicy(min_time=5.0)
        assert not any(policy.is_too_many(5.0 * n, open_streams=True) for n in range(100))

    def test_without_streams_the_pace_is_two_hours(self) -> None:
        policy = PingPolicy(min_time=5.0)
        pings = [policy.is_too_many(60.0 * n, open_streams=False) for n in range(4)]
        assert pings == [False, False, False, True]

    def test_output_forgives_all_strikes(self) -> None:
        policy = PingPolicy(min_time=5.0)
        for n in range(100):
            policy.sent = n % 3 == 0
            assert not policy.is_too_many(n / 10, open_streams=True)


class TestKeepalive:
    def test_silence_is_asked_about_once(self) -> None:
        keepalive = Keepalive(interval=100, timeout=20, now=0)
        assert not keepalive.needs_ping(99)
        assert keepalive.needs_ping(100)
        assert not keepalive.needs_ping(101)

    def test_silence_after_the_ping_is_death(self) -> None:
        keepalive = Keepalive(interval=100, timeout=20, now=0)
        keepalive.needs_ping(100)
        assert not keepalive.is_dead(119)
        assert keepalive.is_dead(120)

    def test_anything_read_is_life(self) -> None:
        keepalive = Keepalive(interval=100, timeout=20, now=0)
        keepalive.needs_ping(100)
        keepalive.last_read = 110
        assert not keepalive.is_dead(130)
        assert keepalive.needs_ping(210)

    def test_interval_0_never_asks(self) -> None:
        assert not Keepalive(interval=0, timeout=20, now=0).needs_ping(1e9)
