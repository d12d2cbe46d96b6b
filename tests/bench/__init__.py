"""The speed of the ledger, measured: `make bench`.

What belongs here: what measures, and what is measured beside the ledger. Every figure that has a
bar is a ratio of two things measured in the same run, in turns, so that it says the same on another
machine. What does not belong: tests that pass or fail by the rules; they are in the other folders.
"""
