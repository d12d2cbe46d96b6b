"""Tests of the house itself: files, packages, tables and documents keep the house's own rules."""
