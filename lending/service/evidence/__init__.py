"""Evidence: what is on record of one application, with the proofs that it is the record.

What belongs here: gathering it from log and tree. How it is written into a file, and told in words, does
not belong here: that is `lending.contract`; nor does checking it, which `lending/verify_evidence.py`
does without this package.
"""
