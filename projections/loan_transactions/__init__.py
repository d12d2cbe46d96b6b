"""The read model `loan_transactions`: one row a transaction of a loan, with what it came to.

What belongs here: how rows follow from the events, their table and their view.
"""
