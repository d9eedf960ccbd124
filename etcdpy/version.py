"""Versions: of this package, and of the etcd whose behaviour it has."""

import sys

__version__ = "0.1.0"

#: The etcd release whose answers this server gives, as Status reports it.
ETCD_VERSION = "3.7.1"

#: Storage schema version reported by Status and written into ``meta/storageVersion``.
STORAGE_VERSION = "3.7.0"

#: Whether the modules that a request goes through are compiled (setup.py); this one is, then.
IS_COMPILED = not __file__.endswith(".py")

#: What stands where etcd names the commit it was built from, and the Go that built it.
GIT_SHA = f"Not provided (etcdpy {__version__})"
_PYTHON = f"{sys.implementation.name} {'.'.join(str(part) for part in sys.version_info[:3])}"
GO_VERSION = f"none ({_PYTHON}{', compiled' if IS_COMPILED else ''})"
