"""The transparency log: what seals it, publishes its checkpoints, and answers who asks for proofs.

What belongs here: the sealing worker and what the HTTP side and the command line ask of the tree.
What does not: the tree's arithmetic and its formats, which are the ledger's.
"""
