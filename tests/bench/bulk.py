"""A ledger made large quickly, without going through the service.

What belongs here: running bulk.sql wave by wave, and the keys of the applicants, which only the
master key can wrap.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from hashlib import md5
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from lending.ledger.sealing import KEY_BYTES, MasterKey, key_purpose
from lending.runtime.sql import load_queries
from tests.projections.worlds import MASTER_KEY

EVENTS_EACH: Final = 20
"""Events of one application, as many as a bank's have in the mean."""
_SQL: Final = load_queries(Path(__file__).with_name("bulk.sql"))
_WAVE_MAX: Final = 1_000


def unsettle(database_url: str) -> None:
    """Have the planner know nothing of what is going to be loaded."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_SQL["unsettled"])


def analyzed(database_url: str) -> bool:
    """Whether the planner knows anything of the log."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(_SQL["analyzed"]).fetchone()
    return row is not None and row[0] > 0


def load_events(database_url: str, events: int) -> Sequence[UUID]:
    """Append at least so many events of new applications; the ids of these."""
    wanted = -(-events // EVENTS_EACH)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_SQL["bulk_id"])
        for first in range(0, wanted, _WAVE_MAX):
            with connection.transaction():
                _append(connection, first, min(_WAVE_MAX, wanted - first))
    return [application_id(number) for number in range(wanted)]


def application_id(number: int) -> UUID:
    """The id of an application by its number, as `bulk_id` makes it."""
    digits = md5(f"application{number}".encode(), usedforsecurity=False).hexdigest()
    return UUID(f"019b0000{digits[:4]}70008{digits[4:19]}")


def _append(connection: psycopg.Connection[tuple[Any, ...]], first: int, applications: int) -> None:
    connection.execute(_SQL["take_lane"])
    row = connection.execute(_SQL["numbers"]).fetchone()
    assert row is not None
    now, ledger_id, head = row
    asked = {
        "now": now,
        "ledger_id": ledger_id,
        "first_position": head + 1,
        "first_application": first,
        "wave": applications,
        "events_each": EVENTS_EACH,
    }
    _copy_keys(connection, range(first, first + applications), now)
    connection.execute(_SQL["insert_events"], asked)
    connection.execute(_SQL["insert_command_keys"], asked)


def _copy_keys(
    connection: psycopg.Connection[tuple[Any, ...]], numbers: range, now: datetime
) -> None:
    master = MasterKey(MASTER_KEY, os.urandom)
    copy = "copy vault.subject_keys (shard, application_id, subject, wrapped_key, created_at) from stdin"
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        for number in numbers:
            stream, subject = application_id(number), f"cust_{number}"
            wrapped = master.wrap(os.urandom(KEY_BYTES), key_purpose(stream, subject))
            rows.write_row((0, stream, subject, wrapped, now))
