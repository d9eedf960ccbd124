"""
The versions of cluster and storage, and how an operator brings them down by one minor.

etcd's servers agree on a cluster version, the lowest of theirs, which a downgrade lowers
further; the storage version follows it::

    ENABLE 3.6   cluster 3.7 -> 3.6 at the next look, storage with it
    CANCEL       both climb back at the next look

Both versions, and what is under way, outlive a restart, where etcd keeps them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Protocol

from etcdpy.errors import (
    DowngradeInProgressError,
    InvalidDowngradeTargetError,
    WrongDowngradeFormatError,
)
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.version import STORAGE_VERSION

DOWNGRADE = b"downgrade"
CLUSTER_VERSION = b"clusterVersion"
STORAGE_VERSION_KEY = b"storageVersion"

#: Seconds between two looks at the versions (etcd: monitorVersionInterval).
TICK_INTERVAL = 4.0

# Major.minor, or a semantic version. (etcd: convertToClusterVersion)
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+(?:-[0-9A-Za-z.-]*)?(?:\+[0-9A-Za-z.-]*)?)?")


class Log(Protocol):
    """Where versions are kept; ``storage.GroupCommit`` is the real one."""

    batch: Batch

    def flush_soon(self) -> None:
        """Hand the gathering batch to the disk."""

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """Return a value of a bucket, or None."""


@dataclass(frozen=True)
class Target:
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

    Attributes:
        cluster: The cluster version, such as ``3.7.0``.
        target: What a downgrade aims at.

    """

    def __init__(self, log: Log) -> None:
        self._log = log
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
        found = _VERSION.fullmatch(version)
        if found is None:
            raise WrongDowngradeFormatError
        major, minor = (int(part) for part in self.cluster.split(".")[:2])
        if (int(found[1]), int(found[2])) != (major, minor - 1):
            raise InvalidDowngradeTargetError
        if self.target.enabled:
            raise DowngradeInProgressError
        return f"{major}.{minor - 1}.0"

    def enable(self, version: str) -> None:
        """Begin a downgrade; raises as ``validate`` does."""
        self._aim(Target(self.validate(version)))

    def cancel(self) -> None:
        """End the downgrade, if there is one."""
        self._aim(Target())

    def look(self) -> bool:
        """
        Move the versions to where they should be; call every ``TICK_INTERVAL`` seconds.

        Returns:
            Whether they moved.

        """
        due = self._due()
        if due == self.cluster:
            return False
        self.cluster = due
        self._write()
        return True

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
