"""Tests of the credit policies."""
