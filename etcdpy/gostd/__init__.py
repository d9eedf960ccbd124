"""Go's formats, which etcd's logs, flags and error texts are written in."""
