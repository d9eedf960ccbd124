"""Tests of the v2 tree, module by module."""
