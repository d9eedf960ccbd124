"""What pages and monitors ask for: metrics, health, the dashboard, statistics."""

from __future__ import annotations

from contextlib import suppress

from tests.fairness.attacks.table import attack
from tests.fairness.attacks.watches import watches
from tests.fairness.wire import Crowd


def _flat_out(crowd: Crowd, path: str, number: int = 100) -> None:
    crowd.drive_talks(lambda talk: talk.ask("GET", path), 4, number)


@attack(watches(100_000))  # type: ignore[arg-type]
def metrics_with_watches(crowd: Crowd) -> None:
    """Ask for metrics while 100,000 watches are open, on 100 connections."""
    _flat_out(crowd, "/metrics")


@attack(flags=("--metrics=extensive",))
def metrics_flat_out(crowd: Crowd) -> None:
    """Ask for metrics as fast as can be, on 100 connections."""
    _flat_out(crowd, "/metrics")


@attack()
def crowds_of_metrics(crowd: Crowd) -> None:
    """Ask for metrics on 1,000 connections at the same moment, over and over."""
    crowd.drive_talks(lambda talk: talk.ask("GET", "/metrics"), 1, 1000)


@attack()
def health_flat_out(crowd: Crowd) -> None:
    """Ask whether all is well as fast as can be, on 100 connections."""
    _flat_out(crowd, "/health")


@attack()
def debug_variables(crowd: Crowd) -> None:
    """Ask for variables as fast as can be, on 100 connections."""
    _flat_out(crowd, "/debug/vars")


@attack(flags=("--enable-dashboard",), is_for="--enable-dashboard")
def dashboard_flat_out(crowd: Crowd) -> None:
    """Ask for the dashboard's page as fast as can be, on 100 connections."""
    _flat_out(crowd, "/mod/dashboard/")


@attack(flags=("--enable-dashboard",), is_for="--enable-dashboard")
def dashboards_unread(crowd: Crowd) -> None:
    """Ask for the dashboard and for metrics on 2,000 connections, and read nothing."""
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 2_000 and not crowd.is_over:
                for talk in crowd.talk(100, reads=False, room=4096):
                    for _ in range(20):
                        talk.ask("GET", "/mod/dashboard/")
                        talk.ask("GET", "/metrics")
                crowd.pump(0.0)
        crowd.pump()


@attack(flags=("--enable-v2",), is_for="--enable-v2")
def v2_statistics(crowd: Crowd) -> None:
    """Ask for v2's statistics as fast as can be, on 100 connections."""
    _flat_out(crowd, "/v2/stats/store")
