"""Backups of a ledger, and what comes back of them.

What belongs here: dumping the log and the vault from one moment, apart; restoring both into an empty
database; and naming what the log had come to besides. PostgreSQL's own programs do the copying. What
does not: opening an epoch, which an operator does who has looked (`lending.service.epoch`).
"""
