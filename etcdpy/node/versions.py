"""
The versions of cluster and storage, and how an operator brings them down by one minor.

etcd's servers agree on a cluster version, the lowest of theirs, which a downgrade lowers
further; the storage version follows it::

    ENABLE 3.6   cluster 3.7 -> 3.6 at the next tick, storage with it
    CANCEL       both climb back at the next tick

etcd ticks every four seconds. Here only the ticks are taken that have something to do.
Both versions, and what is under way, outlive a restart, where etcd keeps them.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from etcdpy.clock import Clock, Timer
from etcdpy.errors import (
    DowngradeInProgressError,
    InvalidDowngradeTargetError,
    WrongDowngradeFormatError,
)
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import CommitLog
from etcdpy.version import STORAGE_VERSION

DOWNGRADE = b"downgrade"
CLUSTER_VERSION = b"clusterVersion"
STORAGE_VERSION_KEY = b"storageVersion"

#: Seconds between two ticks (etcd: monitorVersionInterval).
TICK_INTERVAL = 4.0

# Major.minor, or a semantic version. (etcd: convertToClusterVersion)
_VERSION = r"(\d+)\.(\d+)(?:\.\d+(?:-[0-9A-Za-z.-]*)?(?:\+[0-9A-Za-z.-]*)?)?"


class Target(NamedTuple):
    """Which version the cluster is on its way to, ``""`` if it is not on its way."""

    version: str = ""

    @property
    def enabled(self) -> bool:
        return bool(self.version)

    def encoded(self) -> bytes:
        """Return what etcd stores of it."""
        value = {"target-version": self.version, "enabled": self.enabled}
        return json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes | None) -> Target:
        """Return what ``encoded`` stored; nothing stored is no downgrade."""
        value = json.loads(data) if data else {}
        return cls(value["target-version"]) if value.get("enabled") else cls()


class Versions:
    """
    The versions as they are now, and on the disk.

    Args:
        log: Where they are kept.
        clock: Gives the ticks.

    Attributes:
        cluster: The cluster version, such as ``3.7.0``.
        target: What a downgrade aims at.

    """

    def __init__(self, log: CommitLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._began = clock.monotonic()
        self._timer: Timer | None = None
        self.target = Target.decode(log.get(Bucket.CLUSTER, DOWNGRADE))
        # Another release may have left other versions than this one starts with.
        self.cluster = self._due()
        self._write()

    @property
    def storage(self) -> str:
        """The storage version: here it moves together with the cluster's."""
        return self.cluster

    def validate(self, version: str) -> str:
        """
        Return the version that ``version`` stands for as a downgrade's target.

        Raises:
            WrongDowngradeFormatError: If it is no version.
            InvalidDowngradeTargetError: If it is not one minor below the cluster's.
            DowngradeInProgressError: If one is under way already.

        """
        found = re.fullmatch(_VERSION, version)
        if found is None:
            raise WrongDowngradeFormatError
        major, minor = (int(part) for part in self.cluster.split(".")[:2])
        if (int(found[1]), int(found[2])) != (major, minor - 1):
            raise InvalidDowngradeTargetError
        # After the version, so a wrong one is called wrong. (etcd: v3_server.go, downgradeValidate)
        if self.target.enabled:
            raise DowngradeInProgressError
        return f"{major}.{minor - 1}.0"

    def enable(self, version: str) -> None:
        """Begin a downgrade; raises as ``validate`` does."""
        self._aim(Target(self.validate(version)))

    def cancel(self) -> None:
        """End the downgrade, if there is one."""
        self._aim(Target())

    def tick(self) -> bool:
        """Move the versions to where they should be; tell whether they moved."""
        self._timer = None
        due = self._due()
        if due == self.cluster:
            return False
        self.cluster = due
        self._write()
        return True

    def close(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        """Have the next tick taken."""
        if self._timer is None:
            passed = (self._clock.monotonic() - self._began) // TICK_INTERVAL
            at = self._began + (passed + 1) * TICK_INTERVAL
            self._timer = self._clock.wake_at(at, self.tick)

    def _due(self) -> str:
        return self.target.version or STORAGE_VERSION

    def _write(self) -> None:
        puts = self._log.batch.puts
        puts[Bucket.CLUSTER, CLUSTER_VERSION] = self.cluster.encode()
        puts[Bucket.META, STORAGE_VERSION_KEY] = self.storage.encode()
        self._log.flush_soon()

    def _aim(self, target: Target) -> None:
        self.target = target
        self._log.batch.puts[Bucket.CLUSTER, DOWNGRADE] = target.encoded()
        self._log.flush_soon()
        self._arm()
