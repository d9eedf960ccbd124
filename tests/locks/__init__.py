"""Mutual exclusion: many clients, much of which goes wrong, and never two holders."""
