"""Versions: of this package, and of the etcd whose behaviour it has."""

__version__ = "0.1.0"

#: The etcd release whose answers this server gives, as Status reports it.
ETCD_VERSION = "3.7.1"

#: Storage schema version reported by Status and written into ``meta/storageVersion``.
STORAGE_VERSION = "3.7.0"
