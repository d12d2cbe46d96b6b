"""Tests of the log: codec, seals, leaves, the append lane, reading."""
