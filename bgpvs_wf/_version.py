"""The version, in one place."""

__version__ = "0.1.0.dev1"
"""Raise its last number where a stage's results change: caches and ledger see it."""
