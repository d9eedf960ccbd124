"""What a one-node etcd does, without any wire."""
