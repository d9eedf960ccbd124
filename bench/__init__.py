"""Benchmarks: etcdpy and a real etcd, side by side, in one run."""
