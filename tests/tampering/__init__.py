"""Tampering: what a superuser changes behind the ledger's back, and what verification calls it.

What belongs here: changes made with every trigger and constraint out of the way, over a log that was
sealed and published. Does not: checks of one mechanism by itself.
"""
