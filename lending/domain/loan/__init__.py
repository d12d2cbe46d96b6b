"""The money of one loan: its terms, its schedule, and what became of every cent since.

Belongs here: terms, schedules, allocation of payments, the effective-dated entries, their replay
and their postings. Does not: commands, refusals and events of the application, clocks, I/O.

Read in this order: terms (what a product fixes), accrual (interest over days), amortization (the
level payment), schedule (instalments from terms), entries (what can happen), allocation (how a
payment is split), engine (entries to the loan's book), journal (double-entry postings).
"""
