"""Bringing other systems' histories into the ledger, over its HTTP API and nothing else.

Belongs here: reading a foreign log, mapping it to commands, sending those in order, saying what
became of them. Does not: rules of lending, database access, anything
that a client of the API could not do.
"""
