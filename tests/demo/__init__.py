"""Tests of the demonstration: the agents' rules, and the whole of it on a served ledger."""
