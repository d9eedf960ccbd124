"""Unit tests of the watch layer."""
