"""Queues of keys: what locks and elections are made of."""
