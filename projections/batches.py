"""Batches: the next events of the log, folded into a generation's rows.

What belongs here: reading the events, loading what they touch, folding and writing. Who may do it,
and how far it has come, is the caller's affair: the projector's, or a rebuild's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from psycopg import sql
from psycopg.rows import dict_row

from lending.domain.application.state import INITIAL
from lending.domain.identifiers import registry_id
from lending.ledger.codec import Codec
from lending.ledger.sealing import MasterKey
from lending.runtime import limits
from lending.runtime.postgres import Connection
from projections.checkpoints import Stop
from projections.folding import Applications, Fold, Held, Poison, Poisoned
from projections.model import Happened, Key, ReadModel, Row
from projections.reading import SQL, LogReader, Stretch, by_application


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch has written: so many events, up to a position, and why what comes behind them
    has to wait, if it has to.
    """

    events: int
    position: int
    stop: Stop | None


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events to fold, by application, up to a position, and where the applications stand before
    them.
    """

    upto: int
    groups: Mapping[UUID, Sequence[Happened]]
    before: Mapping[UUID, Held]


class Batches:
    """Folds one shard into rows of one read model over `connection`, and reads ahead over `ahead`.
    `reader` reads the log over `connection`.

    What it remembers of applications it remembers for the life of these connections only.
    """

    def __init__(
        self,
        model: ReadModel,
        shard: int,
        *,
        connection: Connection,
        ahead: Connection,
        master: MasterKey,
        codec: Codec,
    ) -> None:
        self._model = model
        self._shard = shard
        self._connection = connection
        self.reader, ahead_reader = (
            LogReader(
                one,
                shard,
                codec=codec,
                master=master,
                places=model.opens,
                passes_over=model.passes_over,
            )
            for one in (connection, ahead)
        )
        self._ahead = _ReadAhead(ahead_reader)
        self._applications = Applications(limits.AGGREGATES_MAX)
        self._fold = Fold(model, shard)
        self._touched: Mapping[UUID, Held] = {}

    async def write_next(
        self, after: int, generation: int, *, left_out: frozenset[UUID], limit: int
    ) -> Done:
        """Write the rows of the next events behind `after`, at most `limit`, in the caller's
        transaction. `committed` says afterwards that it held.
        """
        stretch = await self._ahead.take(after, limit) or await self.reader.after(after, limit)
        batch = await self._load(stretch.events, stretch.upto, left_out, generation)
        folded = self._fold.batch(batch.groups, batch.before)
        self._touched = folded.held
        upto = batch.upto
        stop = None
        if folded.poison is not None:
            upto = folded.poison.position - 1
            stop = _stop_at(folded.poison)
        elif stretch.missing is not None and upto == stretch.upto:
            stop = _stop_at_gap(stretch.missing)
        if upto == after + limit:
            self._ahead.begin(upto, limit)
        elif stop is None:
            self._ahead.keep(upto, stretch)
        await write_rows(
            self._connection,
            self._model,
            self._shard,
            generation,
            rows=folded.rows,
            settled=folded.settled,
        )
        return Done(upto - after, upto, stop)

    def committed(self) -> None:
        """What was written is committed, and may be built on."""
        touched = self._touched
        if self._model.looks_back is not None:
            touched = {key: held._replace(rows=None) for key, held in touched.items()}
        self._applications.remember(touched)

    async def close(self) -> None:
        """Stop reading ahead."""
        await self._ahead.drop()

    async def _load(
        self, events: Sequence[Happened], upto: int, left_out: frozenset[UUID], generation: int
    ) -> _Batch:
        """Where the applications stand that `events` touch, as far as it is asked for.

        The batch ends early where too many earlier events would have to be read again for it, or
        too many loans be settled.
        """
        groups = by_application(events)
        for application_id in left_out & groups.keys():
            del groups[application_id]
        before = {key: self._applications.before(group[0]) for key, group in groups.items()}
        loans = self._loans_to_load(groups, before)
        cuts = (_position_of_too_many(loans), _position_of_too_long(self._settling(groups)))
        cut = min((position for position in cuts if position is not None), default=None)
        if cut is not None:
            events = [happened for happened in events if happened.position < cut]
            return await self._load(events, cut - 1, left_out, generation)
        if rows := self._rows_to_load(groups, before):
            await self._load_rows(before, rows, generation)
        if loans:
            await self._load_loans(before, list(loans), events[0].position - 1)
        return _Batch(upto, groups, before)

    def _settling(self, groups: Mapping[UUID, Sequence[Happened]]) -> list[Sequence[Happened]]:
        """For each loan that is settled, the events after which it may be, the first one first."""
        settles = self._model.settles
        found = ([one for one in group if settles(one)] for group in groups.values())
        return sorted((group for group in found if group), key=lambda group: group[0].position)

    def _rows_to_load(
        self, groups: Mapping[UUID, Sequence[Happened]], before: dict[UUID, Held]
    ) -> list[UUID]:
        """The applications whose rows are looked at and not known; the others begin without any."""
        looks_back, registry = self._model.looks_back, registry_id(self._shard)
        rows = []
        for application_id, held in before.items():
            if held.rows is not None or application_id == registry:
                continue
            if looks_back is None or any(map(looks_back, groups[application_id])):
                rows.append(application_id)
            else:
                before[application_id] = held._replace(rows={})
        return rows

    def _loans_to_load(
        self, groups: Mapping[UUID, Sequence[Happened]], before: Mapping[UUID, Held]
    ) -> dict[UUID, Happened]:
        """The applications whose loan is asked for and not known, and where it is first."""
        folds = self._model.folds
        asked: dict[UUID, Happened] = {}
        for application_id, held in before.items():
            if held.loan is None:
                group = groups[application_id]
                first = next((one for one in group if one.event_type in folds), None)
                if first is not None:
                    asked[application_id] = first
        return asked

    async def _load_rows(self, before: dict[UUID, Held], ids: list[UUID], generation: int) -> None:
        """Read the rows of these applications, in one statement."""
        found: dict[UUID, dict[Key, Row]] = {application_id: {} for application_id in ids}
        cursor = self._connection.cursor(binary=True, row_factory=dict_row)
        statement = self._model.statement("load", generation)
        await cursor.execute(statement, {"shard": self._shard, "ids": ids})
        model = self._model
        for row in await cursor.fetchall():
            found[row[model.columns[1]]][model.key_of(row)] = row
        for application_id, rows in found.items():
            before[application_id] = before[application_id]._replace(rows=rows)

    async def _load_loans(self, before: dict[UUID, Held], ids: list[UUID], upto: int) -> None:
        """Fold the streams of these applications up to a position."""
        folded: dict[UUID, Held] = {}
        async for page in self.reader.streams(ids, upto):
            for application_id, group in by_application(page).items():
                held = folded.get(application_id, Held(0, INITIAL, None))
                folded[application_id] = self._history(held, group)
        for application_id, held in folded.items():
            version, rows = before[application_id].version, before[application_id].rows
            if held.fault is None and held.version != version:
                held = Held(0, None, None, f"version {held.version + 1} is missing")  # noqa: PLW2901
            before[application_id] = held._replace(version=version, rows=rows)

    def _history(self, held: Held, events: Sequence[Happened]) -> Held:
        """Where an application stands after earlier events; what is wrong with those is for the
        event that builds on them.
        """
        if held.fault is not None:
            return held
        try:
            return self._fold.onward(held, events).held
        except Poisoned as poisoned:
            where = f"position {poisoned.poison.position}: {poisoned.poison.error}"
            return Held(0, None, None, f"its history cannot be folded: {where}")


class _ReadAhead:
    """Reads the next stretch of the log while the rows of the one before are written, and keeps
    what a batch that ended early has left of its own.
    """

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._after = 0
        self._task: asyncio.Task[Stretch] | None = None
        self._kept: Stretch | None = None

    def keep(self, after: int, stretch: Stretch) -> None:
        """Keep what stands behind a position, the events of a stretch up to there being done."""
        if self._task is None and after < stretch.upto:
            self._after = after
            rest = [happened for happened in stretch.events if happened.position > after]
            self._kept = Stretch(rest, stretch.upto, stretch.missing)

    def begin(self, after: int, limit: int) -> None:
        """Begin to read what stands behind a position."""
        if self._task is None:
            self._after = after
            self._task = asyncio.create_task(self._reader.after(after, limit))

    async def take(self, after: int, limit: int) -> Stretch | None:
        """What stands behind `after`, if that is what was read."""
        task, self._task = self._task, None
        stretch, self._kept = self._kept, None
        if task is not None:
            stretch = await task
        if stretch is None:
            return None
        asked = self._after == after and after < stretch.upto <= after + limit
        return stretch if asked else None

    async def drop(self) -> None:
        """Stop reading, and forget what was read."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def rows_json(rows: Sequence[Row]) -> str:
    """Rows as a JSON array, for `json_populate_recordset`."""
    return orjson.dumps(rows, default=str).decode()


async def write_rows(
    connection: Connection,
    model: ReadModel,
    shard: int,
    generation: int,
    *,
    rows: Sequence[Row],
    settled: Mapping[UUID, int],
) -> None:
    """Write rows, and remove those that are gone of loans settled at these positions."""
    if rows:
        upsert = model.statement("upsert", generation)
        await connection.execute(upsert, {"rows": rows_json(rows)})
    if model.whole and settled:
        statement = sql.SQL(SQL["remove_left_over"]).format(
            table=model.table(generation), application=sql.Identifier(model.columns[1])
        )
        settlements = {"ids": list(settled), "positions": list(settled.values())}
        await connection.execute(statement, {"shard": shard, **settlements})


def _position_of_too_many(loans: Mapping[UUID, Happened]) -> int | None:
    """The position of the first event whose loan is one too many to load in one batch."""
    events = 0
    for first in sorted(loans.values(), key=lambda happened: happened.position):
        if events and events + first.version - 1 > limits.PROJECTION_LOAD_MAX_EVENTS:
            return first.position
        events += first.version - 1
    return None


def _position_of_too_long(settling: Sequence[Sequence[Happened]]) -> int | None:
    """The position from which on the loans to settle have too long histories for one batch."""
    events = 0
    for group in settling:
        if events and events + group[-1].version > limits.PROJECTION_SETTLE_MAX_EVENTS:
            return group[0].position
        events += group[-1].version
    return None


def _stop_at(poison: Poison) -> Stop:
    which = f"{poison.event_type}, version {poison.version} of {poison.application_id}"
    return Stop(because="poison", position=poison.position, error=f"{which}: {poison.error}")


def _stop_at_gap(position: int) -> Stop:
    return Stop(because="gap", position=position, error=f"position {position} is missing")
