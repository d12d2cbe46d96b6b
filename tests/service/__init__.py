"""Tests of the use cases, on a real ledger without its HTTP side."""
