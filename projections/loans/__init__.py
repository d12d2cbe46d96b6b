"""The read model `loans`: one row a loan that was paid out or taken over, with where it stands.

What belongs here: how the row follows from the loan's events and its book, its table and its view.
"""
