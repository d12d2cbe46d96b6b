"""Tests of evidence: what is in a file of it, and what the program says that checks such files."""
