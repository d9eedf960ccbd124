"""Figures of a server, for Prometheus: gathered when they are asked for, from what is counted."""
