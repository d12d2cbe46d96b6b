"""Credit policies and their evaluation: from an application's state to a verdict.

Belongs here: what a policy reads, how it judges, how it is published. Does not: commands, storage,
HTTP.
"""
