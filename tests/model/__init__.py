"""The store, held against a model that keeps a copy of everything at every revision."""
