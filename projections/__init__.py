"""The read side: the worker that folds the log into tables, and one folder for each read model.

What belongs here: what can be computed from the log, and thrown away and computed again. What does
not: anything that decides or writes events.

A read model is a folder: `projection.py`, a pure function from rows, an event and the loan to the
changed rows, and `statements.sql`, its table and view. `registry.py` names them. Everything else
here is the same for all of them: `worker.py` runs, `projector.py` does one batch, `folding.py`
computes it, `rebuild.py` and `verification.py` compute it all again.
"""
