"""Tests, one folder for each area of the code; what they share is in conftest.py."""
