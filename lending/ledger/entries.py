"""The entries of the log as it is published: what is hashed of each event, without its data.

An entry is the canonical envelope with the SHA-256 of the data (`lending.ledger.leaf`); nothing
personal is in it.
"""

from uuid import UUID

import orjson
from psycopg.types.json import set_json_loads

from lending.ledger.canonical import canonical_json
from lending.ledger.leaf import columns, leaf_entry
from lending.ledger.stored_rows import SQL, envelope_of
from lending.runtime.postgres import Connection


async def read_entries(
    connection: Connection, ledger_id: UUID, shard: int, after: int, upto: int
) -> list[bytes]:
    """The entries of the events behind position `after` up to `upto`, as they are stored now."""
    set_json_loads(orjson.loads, connection)
    asked = {"shard": shard, "begin": after + 1, "upto": upto, "limit": upto - after}
    cursor = connection.cursor(binary=True)
    rows = await (await cursor.execute(SQL["stretch"], asked)).fetchall()
    return [
        leaf_entry(ledger_id, columns(envelope_of(row)), canonical_json(row[6])) for row in rows
    ]
