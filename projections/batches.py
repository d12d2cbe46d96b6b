"""Batches: the next events of the log, folded into a generation's rows.

What belongs here: reading the events, loading what they touch, folding and writing. Who may do it,
and how far it has come, is the caller's affair: the projector's, or a rebuild's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
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
from projections.reading import LogReader, Stretch, by_application


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch has written: its events, none where there were none, and why what comes behind
    them has to wait, if it has to.
    """

    events: Sequence[Happened]
    stop: Stop | None


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events to fold, by application too, and where the applications stand before them."""

    events: Sequence[Happened]
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
        places = model.opens
        self.reader = LogReader(connection, shard, codec=codec, master=master, places=places)
        ahead_reader = LogReader(ahead, shard, codec=codec, master=master, places=places)
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
        batch = await self._load(stretch.events, left_out, generation)
        folded = self._fold.batch(batch.groups, batch.before)
        self._touched = folded.held
        done = batch.events
        stop = None
        if folded.poison is not None:
            done = done[: folded.poison.position - 1 - after]
            stop = _stop_at(folded.poison)
        elif stretch.missing is not None and len(done) == len(stretch.events):
            stop = _stop_at_gap(stretch.missing)
        if len(done) == limit:
            self._ahead.begin(done[-1].position, limit)
        if folded.rows:
            upsert = self._model.statement("upsert", generation)
            await self._connection.execute(upsert, {"rows": rows_json(folded.rows)})
        return Done(done, stop)

    def committed(self) -> None:
        """What was written is committed, and may be built on."""
        self._applications.remember(self._touched)

    async def close(self) -> None:
        """Stop reading ahead."""
        await self._ahead.drop()

    async def _load(
        self, events: Sequence[Happened], left_out: frozenset[UUID], generation: int
    ) -> _Batch:
        """Where the applications stand that `events` touch, as far as it is asked for.

        The batch ends early where too many earlier events would have to be read again for it.
        """
        groups = by_application(events)
        for application_id in left_out & groups.keys():
            del groups[application_id]
        before = {key: self._applications.before(group[0]) for key, group in groups.items()}
        loans = self._loans_to_load(groups, before)
        cut = _position_of_too_many(loans)
        if cut is not None:
            return await self._load(events[: cut - events[0].position], left_out, generation)
        registry = registry_id(self._shard)
        rows = [key for key, held in before.items() if held.rows is None and key != registry]
        if rows:
            await self._load_rows(before, rows, generation)
        if loans:
            await self._load_loans(before, list(loans), events[0].position - 1)
        return _Batch(events, groups, before)

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
            return self._fold.onward(held, events)[0]
        except Poisoned as poisoned:
            where = f"position {poisoned.poison.position}: {poisoned.poison.error}"
            return Held(0, None, None, f"its history cannot be folded: {where}")


class _ReadAhead:
    """Reads the next stretch of the log while the rows of the one before are written."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._after = 0
        self._task: asyncio.Task[Stretch] | None = None

    def begin(self, after: int, limit: int) -> None:
        """Begin to read what stands behind a position."""
        if self._task is None:
            self._after = after
            self._task = asyncio.create_task(self._reader.after(after, limit))

    async def take(self, after: int, limit: int) -> Stretch | None:
        """What stands behind `after`, if that is what was read."""
        task, self._task = self._task, None
        if task is None:
            return None
        stretch = await task
        asked = self._after == after and len(stretch.events) <= limit
        return stretch if asked and stretch.events else None

    async def drop(self) -> None:
        """Stop reading, and forget what was read."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def rows_json(rows: Sequence[Row]) -> str:
    """Rows as a JSON array, for `json_populate_recordset`."""
    return orjson.dumps(rows, default=str).decode()


def _position_of_too_many(loans: Mapping[UUID, Happened]) -> int | None:
    """The position of the first event whose loan is one too many to load in one batch."""
    events = 0
    for first in sorted(loans.values(), key=lambda happened: happened.position):
        if events and events + first.version - 1 > limits.PROJECTION_LOAD_MAX_EVENTS:
            return first.position
        events += first.version - 1
    return None


def _stop_at(poison: Poison) -> Stop:
    which = f"{poison.event_type}, version {poison.version} of {poison.application_id}"
    return Stop(because="poison", position=poison.position, error=f"{which}: {poison.error}")


def _stop_at_gap(position: int) -> Stop:
    return Stop(because="gap", position=position, error=f"position {position} is missing")
