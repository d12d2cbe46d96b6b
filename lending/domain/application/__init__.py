"""The aggregate of origination: one application, from `apply` to the disbursement of the loan.

Read in this order: commands (what may be asked), events (what is stored), state (what follows from
the events), refusals (why not), decide (commands to events), evolve (events to state). The names of
events and their fields are the storage format: they never change, only gain upcasters.
"""
