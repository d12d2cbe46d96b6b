"""The read model `adverse_action`: one row an application, with the notices it calls for and how it is
reported.

What belongs here: how the row follows from where the application stands, its table and its view.
"""
