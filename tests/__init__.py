"""The proofs: unit tests, conformance with a real etcd, crashes, clients."""
