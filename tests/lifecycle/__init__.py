"""A server process from its first word to its exit status."""
