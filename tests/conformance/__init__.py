"""The same requests to etcdpy and to a real etcd: every field, code and text must agree."""
