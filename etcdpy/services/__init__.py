"""One gRPC servicer per etcd service: thin layers that decode, call the node and shape replies."""
