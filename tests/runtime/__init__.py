"""Tests of what the ledger runs on: settings, PostgreSQL, migrations, processes."""
