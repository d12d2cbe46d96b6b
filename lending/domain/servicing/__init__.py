"""Servicing: everything that happens to a loan once it is funded.

What belongs here: commands, events, the loan's part of the state, and the rules. What the money comes
to is computed by `lending.domain.loan`, from the entries that these events are.
"""
