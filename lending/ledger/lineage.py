"""Whether the database still is the one the log was on: a log that lost its tail is another log."""

from importlib.resources import files
from typing import Final

from lending.ledger.submission import HistoryRewound, LaneUnavailable
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "queries.sql")


async def verify_history(
    connection: Connection, shard: int, acknowledged: int, known_epoch: int | None
) -> int:
    """The shard's epoch, if the server is the one the ledger recorded and has what this process saw
    committed.

    Raises HistoryRewound where it is not: a standby promoted without the tail, a volume put back, a
    dump restored.
    """
    row = await (await connection.execute(_SQL["lane"], {"shard": shard})).fetchone()
    if row is None:
        raise HistoryRewound(
            "the ledger has no lane for this shard: was the database restored half?"
        )
    epoch, _, recorded_system, recorded_timeline, system, timeline = row
    if timeline is None:
        raise LaneUnavailable("the database is a standby that does not take writes")
    if (recorded_system, recorded_timeline) != (system, timeline):
        raise HistoryRewound(
            f"this is PostgreSQL {system} on timeline {timeline}, but the log was on {recorded_system} on timeline"
            f" {recorded_timeline}: the end of the log may be lost. When you know it is not, or accept it, run"
            " lending epoch open --reason ..."
        )
    head = await (await connection.execute(_SQL["head"], {"shard": shard})).fetchone()
    position = 0 if head is None else head[0]
    if known_epoch is not None and (epoch, position) < (known_epoch, acknowledged):
        raise HistoryRewound(
            f"the log ends at {position}, but {acknowledged} was committed in epoch {known_epoch}: a backup"
            " was put back. When you accept that, run lending epoch open --force --reason ..."
        )
    return int(epoch)
