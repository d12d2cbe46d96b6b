"""Tests of the rules: given some events, when a command comes, then these events or this refusal.

Belongs here: what needs no database, no HTTP and no clock. spec.py is the language of the tests.
"""
