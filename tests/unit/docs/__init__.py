"""The documentation tells what the code does."""
