"""Tests of the money of one loan."""
