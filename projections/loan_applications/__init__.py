"""The read model `loan_applications`: one row an application, with what an analyst asks of it.

What belongs here: how the row follows from the events, its table and its view.
"""
