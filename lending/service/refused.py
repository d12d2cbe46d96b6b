"""Refused commands, as compliance lists them: newest first, by command.

A command's id is a UUIDv7 that the process made when it took the command in. So the order is that
of asking, by the processes' clocks, to the millisecond; a page begins where the one before ended,
and what is refused meanwhile stands in front of both. A command that waits is listed at the place
where it was taken in once it is refused: whoever wants every refusal reads again from the front.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.service") / "refused.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalFilter:
    """Which refusals: each filter that is given narrows the list."""

    principal: str | None = None
    application_id: UUID | None = None
    refusal: str | None = None


class RefusedCommands:
    """Reads what was refused."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, shard: int, wanted: RefusalFilter, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        """Refused commands newest first, those with an id below `before`, and whether more follow."""
        asked = {
            "shard": shard,
            "before": before,
            "principal": wanted.principal,
            "application_id": wanted.application_id,
            "refusal": wanted.refusal,
            "limit": limit + 1,
        }
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            rows = await (await cursor.execute(_SQL["refused_commands"], asked)).fetchall()
        return rows[:limit], len(rows) > limit
