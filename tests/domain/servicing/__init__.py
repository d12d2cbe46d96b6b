"""Tests of the rules of servicing."""
