"""Backtests: what a version of a policy would have answered to each decision on record, asked with what
was known when it was made.

Belongs here: planning one, the processes that go through the decisions, counting, and keeping what
came of it. Does not: how policies are evaluated (`lending.policy`), or how results are told.
"""
