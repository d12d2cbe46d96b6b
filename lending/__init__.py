"""The write side of the lending ledger: rules, log, service, HTTP, command line.

What belongs here: everything that validates a command and records what it changed. What does not:
read models, which live in the package `projections` and are computed from the log alone.
"""
