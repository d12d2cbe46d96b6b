"""Tests of the contract: what commands take and how answers are written, whatever the way in."""
