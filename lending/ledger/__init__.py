"""The append-only log: how events are stored, sealed, hashed, appended and read.

Belongs here: the codec, the leaf, the append lane, reading streams and the feed. Does not: rules of
lending, HTTP, read models.
"""
