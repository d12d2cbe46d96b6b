"""Tests of the import: reading a log, mapping it, sending it, resuming it, and the real log."""
