"""Telling others of events over HTTP: signed, in order for each application, until it is taken.

What belongs here: who is told (registrations.py), how far each was told (progress.py), the sending
itself, and the guard that keeps it away from private addresses. What does not: how an event is
written, which is given to the sender, and the HTTP interface in lending.api.
"""
