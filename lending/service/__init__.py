"""What the ledger does for its users, one use case a file: handle a command, read history, list,
create, open an epoch.

Belongs here: the order of steps around the pure rules. Does not: HTTP, rendering for people, rules
of lending.
"""
