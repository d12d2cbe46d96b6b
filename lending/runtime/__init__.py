"""What the ledger runs on: settings, limits, PostgreSQL, migrations, child processes, telemetry.

What belongs here: code that would serve any program of this kind. What does not: anything that
knows what a loan, an event or a read model is.
"""
