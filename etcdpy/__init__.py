"""A single-node server that speaks etcd's v3 API, stored in LMDB."""

from etcdpy.version import ETCD_VERSION, __version__

__all__ = ["ETCD_VERSION", "__version__"]
