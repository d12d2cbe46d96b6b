"""Backups: what they hold, what comes back, and what is named as lost.

What belongs here: the commands over real servers. Does not: what the lane makes of a lost tail, which
is tests/service/test_epoch.py, nor who is told over HTTP, which is tests/chaos.
"""
