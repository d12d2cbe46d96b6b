"""Filling a new table of a read model from whole streams, with COPY.

What belongs here: what a rebuild and a replay have in common. The log is read once, one stream after
the other, and no more of it is in memory than a page and the stream at hand.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from psycopg import AsyncCopy, sql

from lending.ledger.codec import Codec
from lending.ledger.sealing import MasterKey
from lending.runtime.postgres import Connection
from projections.folding import NOTHING, Fold, Held, Poison, Poisoned
from projections.model import Happened, ReadModel
from projections.reading import NOBODY, SQL, LogReader, by_application

SESSION: Final = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
"""For connections over which a whole log is read, or its rows written."""

_PAGE_EVENTS: Final = 5_000


class Slice(NamedTuple):
    """What is filled: a generation of a read model, with one shard up to a position."""

    model: ReadModel
    generation: int
    shard: int
    upto: int


class Filling:
    """Fills tables over a connection that writes, out of the log over one that reads."""

    def __init__(
        self, writer: Connection, reader: Connection, *, master: MasterKey, codec: Codec
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._master = master
        self._codec = codec

    async def fill(
        self,
        what: Slice,
        progress: Callable[[int], None],
        *,
        may_leave_out: Collection[UUID],
        erased: Mapping[UUID, frozenset[str]] = NOBODY,
    ) -> set[UUID]:
        """COPY the rows of every stream; `progress` is told how many events are read, and `erased`
        names persons, by application, whose data read as erased.

        Returns those of `may_leave_out` that had to be left out from an event on. Raises Poisoned at
        an event of another application that cannot be folded.
        """
        model = what.model
        columns = sql.SQL(", ").join(map(sql.Identifier, model.columns))
        table = model.table(what.generation)
        statement = sql.SQL("copy {} ({}) from stdin").format(table, columns)
        log = LogReader(
            self._reader,
            what.shard,
            codec=self._codec,
            master=self._master,
            places=model.opens,
            erased=erased,
        )
        async with (
            self._reader.transaction(),
            self._reader.cursor("streams", binary=True) as cursor,
            self._writer.cursor() as writer,
            writer.copy(statement) as copy,
        ):
            await cursor.execute(SQL["whole_log"], {"shard": what.shard, "upto": what.upto})
            streams = _Streams(Fold(model, what.shard), model, copy, may_leave_out)
            done = 0
            while rows := await cursor.fetchmany(_PAGE_EVENTS):
                await streams.add(await log.decoded(rows))
                done += len(rows)
                progress(done)
            await streams.end()
        return streams.left_out


class _Streams:
    """Folds streams that come one after the other, and copies the rows of each when it ends."""

    def __init__(
        self, fold: Fold, model: ReadModel, copy: AsyncCopy, may_leave_out: Collection[UUID]
    ) -> None:
        self.left_out: set[UUID] = set()
        self._fold = fold
        self._model = model
        self._copy = copy
        self._may_leave_out = may_leave_out
        self._application_id: UUID | None = None
        self._held: Held = NOTHING

    async def add(self, events: Sequence[Happened]) -> None:
        """Take the next events; a stream may go on from the last ones."""
        for application_id, group in by_application(events).items():
            if application_id != self._application_id:
                await self.end()
                self._application_id = application_id
            if application_id not in self.left_out:
                self._take(application_id, group)

    def _take(self, application_id: UUID, group: Sequence[Happened]) -> None:
        while True:
            try:
                self._held = self._fold.onward(self._held, group).held
            except Poisoned as poisoned:
                if application_id not in self._may_leave_out:
                    raise
                # Left out before, and poison still: its rows are as they were before that event.
                self.left_out.add(application_id)
                poison = poisoned.poison
                group = [one for one in group if one.position < poison.position]
            else:
                return

    async def end(self) -> None:
        """Copy the rows of the stream that has ended."""
        for row in (self._held.rows or {}).values():
            await self._copy.write_row([row[column] for column in self._model.columns])
        self._held = NOTHING


def told(poison: Poison) -> str:
    """In a sentence, which event it is and what is wrong with it."""
    return (
        f"position {poison.position} ({poison.event_type}, version {poison.version} of"
        f" {poison.application_id}) cannot be folded: {poison.error}"
    )
