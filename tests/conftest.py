"""Makes ``tests.support`` importable from every test, wherever it lies."""
