"""What the ledger promises while processes, servers and connections are killed.

What takes minutes has the marker `chaos` and runs by `make chaos`; the rest runs with all tests.
"""
