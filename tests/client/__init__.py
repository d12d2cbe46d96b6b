"""Tests of the Python client: against a served ledger, and against servers that misbehave."""
