"""The proofs, replays and reports of a ledger a third of whose applicants were erased."""
