"""The holder of the lane, when it falls silent where no time-out of the server reaches it.

A process that stops between its statements is idle in a transaction, and the server ends its session
after LANE_IDLE_SECONDS. One that stops in the middle of sending is not idle in the server's eyes: it
is waited for without end. So whoever waits for the lane in vain ends that session itself.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from lending.runtime import limits
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "queries.sql")

Connect = Callable[[], Awaitable[Connection]]
"""Opens a connection as the service's role, in autocommit mode."""


async def end_silent_holder(connect: Connect) -> None:
    """End every session of a lane whose process has stopped in the middle of sending.

    Raises psycopg.Error where that is not allowed: the other process logs in as somebody else.
    """
    async with await connect() as connection:
        # The right to end a session is that of whom it logged in as, which our role is not.
        await connection.execute("set role none")
        await connection.execute(
            _SQL["end_silent_holder"], {"silent_seconds": limits.LANE_IDLE_SECONDS}
        )
