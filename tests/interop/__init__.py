"""etcd's existing clients, unchanged: what they get from etcdpy is what a real etcd gives them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
