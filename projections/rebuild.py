"""Rebuilding a read model beside the live one, and putting it in its place.

What belongs here: the next table is filled from whole streams with COPY, catches up in batches, is
compared with the live one, and then shown instead of it in one transaction. Grants on the view,
comments, and views built on it stay.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg import errors

from lending.ledger.codec import Codec
from lending.ledger.sealing import MasterKey
from lending.runtime import limits
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import PROJECTOR_ROLE, Connection, connect
from projections import acts, tables
from projections.batches import Batches
from projections.checkpoints import Checkpoint, Checkpoints
from projections.comparison import DIFFERENCES_SHOWN, Difference, Table, differing_rows
from projections.filling import SESSION, Filling, Slice, told
from projections.folding import Poisoned
from projections.model import ReadModel
from projections.reading import SQL

_CATCH_UP_ROUNDS: Final = 1_000

log = structlog.stdlib.get_logger(__name__)

Progress = Callable[[int, int], None]
"""Told how many events are in the next table, of how many."""


class CannotRebuild(OperatorError):
    """The read model cannot be rebuilt; the live one stays as it is."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to. `switched` says whether the view shows the new rows now; `released`
    are the applications that were left out and are in again.
    """

    generation: int
    position: int
    switched: bool
    same_code: bool
    compared: bool
    differences: Sequence[Difference]
    difference_count: int
    released: Sequence[UUID]


@dataclass(slots=True)
class _Shard:
    """How far the next table has come in a shard, and what it leaves out."""

    shard: int
    batches: Batches
    position: int = 0
    left_out: set[UUID] = field(default_factory=set)
    candidates: set[UUID] = field(default_factory=set)


async def rebuild(
    database_url: str,
    model: ReadModel,
    master: MasterKey,
    *,
    progress: Progress,
    accept_differences: bool = False,
) -> Rebuilt:
    """Rebuild a read model while the live one goes on.

    Where rows made by the same version of the code differ, the live ones are kept, unless the
    differences are accepted. Raises OperatorError, psycopg.Error.
    """
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(
                await connect(
                    database_url, PROJECTOR_ROLE, f"lending rebuild {model.name}", session=SESSION
                )
            )
            for _ in range(2)
        ]
        work = _Rebuild(model, master, connections[0], connections[1], progress)
        await work.prepare()
        stack.push_async_callback(work.close)
        return await work.run(accept_differences=accept_differences)


class _Rebuild:
    """One rebuild, over a connection that writes and one that reads."""

    def __init__(
        self,
        model: ReadModel,
        master: MasterKey,
        writer: Connection,
        reader: Connection,
        progress: Progress,
    ) -> None:
        self._model = model
        self._master = master
        self._writer = writer
        self._reader = reader
        self._progress = progress
        self._codec = Codec()
        self._of = {"projection": model.name}
        self._shards: list[_Shard] = []
        self._live = 0
        self._next = 0
        self._same_code = True

    async def prepare(self) -> None:
        """See that it may be done, make the next table, and drop what earlier ones left behind.

        Raises CannotRebuild.
        """
        (locked,) = await self._one(SQL["one_rebuild_at_a_time"], {})
        if not locked:
            raise CannotRebuild("another rebuild is under way")
        installed = await self._one(SQL["installed"], self._of)
        if installed is None:
            raise CannotRebuild(f"{self._model.name} is not installed: run `lending migrate`")
        code_version, self._live = installed
        if code_version > self._model.code_version:
            raise CannotRebuild(
                f"the rows of {self._model.name} were made by version {code_version} of its code,"
                f" and this is version {self._model.code_version}: upgrade"
            )
        self._same_code = code_version == self._model.code_version
        self._next = await self._free_generation()
        await tables.create_table(self._writer, self._model, self._next)
        rows = await (await self._writer.execute(SQL["shards"])).fetchall()
        self._shards = [_Shard(shard, self._batches(shard)) for (shard,) in rows]

    def _batches(self, shard: int) -> Batches:
        return Batches(
            self._model,
            shard,
            connection=self._writer,
            ahead=self._reader,
            master=self._master,
            codec=self._codec,
        )

    async def _one(self, statement: Any, values: Mapping[str, Any]) -> Any:
        return await (await self._writer.execute(statement, values)).fetchone()

    async def _free_generation(self) -> int:
        """The number after those in use; tables that nothing shows are dropped if they can be."""
        for generation in await tables.generations(self._writer, self._model):
            if generation != self._live:
                await self._drop(generation)
        return max([self._live, *await tables.generations(self._writer, self._model)]) + 1

    async def _drop(self, generation: int) -> None:
        for attempt in range(limits.SWITCH_ATTEMPTS_MAX):
            try:
                async with self._writer.transaction():
                    await self._bound_locks()
                    await tables.drop_table(self._writer, self._model, generation)
            except errors.LockNotAvailable:
                await asyncio.sleep(min(0.1 * attempt, 1))
            else:
                return
        log.warning(
            "an old table is still being read; the next rebuild drops it",
            table=self._model.table_name(generation),
        )

    async def _bound_locks(self) -> None:
        milliseconds = {"milliseconds": limits.SWITCH_LOCK_TIMEOUT_MILLISECONDS}
        await self._writer.execute(SQL["lock_timeout"], milliseconds)

    async def close(self) -> None:
        """Stop what reads ahead."""
        for shard in self._shards:
            await shard.batches.close()

    async def run(self, *, accept_differences: bool) -> Rebuilt:
        """Fill, catch up, compare, switch. What is not shown in the end is dropped."""
        switched = False
        try:
            for shard in self._shards:
                await self._fill(shard)
            await tables.create_indexes(self._writer, self._model, self._next)
            for shard in self._shards:
                await self._catch_up(shard)
            compared, differences, count = await self._compare()
            switched = accept_differences or not (count and self._same_code)
            if switched:
                await self._switch()
        finally:
            await self._drop(self._live if switched else self._next)
        return Rebuilt(
            generation=self._next if switched else self._live,
            position=sum(shard.position for shard in self._shards),
            switched=switched,
            same_code=self._same_code,
            compared=compared,
            differences=differences,
            difference_count=count,
            released=[one for s in self._shards for one in sorted(s.candidates - s.left_out)],
        )

    async def _fill(self, shard: _Shard) -> None:
        """COPY the rows of every stream, as of the log's head, one application at a time."""
        (head,) = await self._one(SQL["head"], {"shard": shard.shard})
        quarantined = await acts.quarantined(self._writer, self._model, shard.shard)
        shard.candidates = {one.application_id for one in quarantined}
        filling = Filling(self._writer, self._reader, master=self._master, codec=self._codec)
        try:
            shard.left_out = await filling.fill(
                Slice(self._model, self._next, shard.shard, head),
                lambda done: self._progress(done, head),
                may_leave_out=shard.candidates,
            )
        except Poisoned as poisoned:
            raise CannotRebuild(told(poisoned.poison)) from None
        shard.position = head

    async def _catch_up(self, shard: _Shard) -> None:
        """Fold what was appended meanwhile, until a batch is not full any more."""
        for _ in range(_CATCH_UP_ROUNDS):
            async with self._writer.transaction():
                full = await self._one_batch(shard)
            shard.batches.committed()
            if not full:
                return

    async def _one_batch(self, shard: _Shard) -> bool:
        limit = limits.PROJECTION_BATCH_MAX_EVENTS
        done = await shard.batches.write_next(
            shard.position, self._next, left_out=frozenset(shard.left_out), limit=limit
        )
        if done.stop is not None:
            raise CannotRebuild(f"position {done.stop.position}: {done.stop.error}")
        if done.events:
            shard.position = done.position
            self._progress(shard.position, shard.position)
        return done.events == limit

    async def _compare(self) -> tuple[bool, list[Difference], int]:
        """The differences between the live table and the next one, in one snapshot a shard."""
        differences: list[Difference] = []
        count = 0
        compared = True
        for shard in self._shards:
            async with self._writer.transaction():
                await self._writer.execute("set transaction isolation level repeatable read")
                of = {**self._of, "shard": shard.shard}
                checkpoint = Checkpoint(*await self._one(SQL["checkpoint"], of))
                if checkpoint.stopped_because == "rewound":
                    compared = False
                    continue
                found, total = await differing_rows(
                    self._writer,
                    self._model,
                    shard.shard,
                    live=Table(self._live, checkpoint.position),
                    rebuilt=Table(self._next, shard.position),
                    left_out=shard.candidates,
                )
                differences += found
                count += total
        return compared, differences[:DIFFERENCES_SHOWN], count

    async def _switch(self) -> None:
        """Show the next table instead of the live one, however long somebody reads the view."""
        positions = [shard.position for shard in self._shards]
        for attempt in range(limits.SWITCH_ATTEMPTS_MAX):
            try:
                async with self._writer.transaction():
                    await self._switch_once()
            except errors.LockNotAvailable:
                for shard, position in zip(self._shards, positions, strict=True):
                    shard.position = position
                await asyncio.sleep(min(0.1 * attempt, 1))
            except errors.InvalidTableDefinition as fault:
                raise CannotRebuild(
                    f"the view read.{self._model.name} cannot take the new columns: {fault}"
                ) from None
            else:
                return
        raise CannotRebuild(
            f"somebody has been reading read.{self._model.name} all the time; try again"
        )

    async def _switch_once(self) -> None:
        await self._bound_locks()
        for shard in self._shards:
            checkpoints = Checkpoints(self._writer, self._model, shard.shard, "rebuild")
            checkpoint = await checkpoints.claim(patiently=True)
            head = (await checkpoints.surroundings()).head
            while checkpoint is not None and shard.position < min(checkpoint.position, head):
                await self._one_batch(shard)
        await tables.show(self._writer, self._model, self._next)
        for shard in self._shards:
            of = {**self._of, "shard": shard.shard}
            moved = {
                **of,
                "generation": self._next,
                "code_version": self._model.code_version,
                "position": shard.position,
            }
            await self._writer.execute(SQL["switch"], moved)
            for application_id in shard.candidates - shard.left_out:
                released = {**of, "application_id": application_id, "by": "rebuild"}
                await self._writer.execute(SQL["release_quarantine"], released)
