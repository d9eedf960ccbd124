"""What a server is doing just now, under the paths where etcd has Go's ``/debug/pprof``."""
