"""The read model `journal_entries`: one row a posting, and the trial balance over them.

What belongs here: how rows follow from the events, their table and the views over it.
"""
