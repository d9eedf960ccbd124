"""
gRPC's door: one servicer per etcd service, which hands requests to the node and replies back.

Registering them is ``services.registration``; the codes of errors are in ``services.codes``.
"""
