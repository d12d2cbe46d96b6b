"""The read model `instalments`: one row an instalment, and arrears on any day.

What belongs here: how rows follow from the loan's book, their table, their view, and the function
that reads arrears off them.
"""
