"""Servers and stores killed while they work, and what has to be left of it."""
