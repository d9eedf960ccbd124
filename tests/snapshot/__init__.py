"""Snapshots that go through etcd's own tools, to a real etcd and back."""
