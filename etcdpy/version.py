"""Versions: of this package, and of the etcd whose behaviour it has."""

import sys

__version__ = "0.1.0"

#: The etcd release whose answers this server gives, as Status reports it.
ETCD_VERSION = "3.7.1"

#: Storage schema version reported by Status and written into ``meta/storageVersion``.
STORAGE_VERSION = "3.7.0"

#: What stands where etcd names the commit it was built from, and the Go that built it.
GIT_SHA = f"Not provided (etcdpy {__version__})"
GO_VERSION = (
    f"none ({sys.implementation.name} {'.'.join(str(part) for part in sys.version_info[:3])})"
)
