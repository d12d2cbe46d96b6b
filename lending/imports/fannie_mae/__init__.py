"""Fannie Mae's single-family loan performance files, brought into the ledger as loans.

Belongs here: reading the two files, inferring what the payments were, planning the commands, sending
them, saying what came of it. Everything before the sending is pure.
"""
