"""Read models as they stood at an earlier position of the log, in a schema beside the live ones.

What belongs here: which position is meant, the schema, and filling it. Nothing of the live read
models is written, locked or read; what is built is built from the log. The rows are what today's code
makes of the log up to there, with the personal data that can still be read.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Error, sql

from lending.ledger.canonical import instant_text
from lending.ledger.codec import Codec
from lending.ledger.erasures import read_erased
from lending.ledger.sealing import MasterKey
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import PROJECTOR_ROLE, Connection, connect
from lending.runtime.sql import load_queries
from projections import acts, replay_schemas, tables
from projections.filling import SESSION, Filling, Slice, told
from projections.folding import Poisoned
from projections.model import ReadModel, Schemas
from projections.reading import SQL
from projections.registry import READ_MODELS

REPLAY: Final = load_queries(files("projections") / "replay.sql")
"""The statements of replays."""

GENERATION: Final = 1
"""The generation that the tables of a replay are named by."""

Progress = Callable[[int, int], None]
"""Told how many events are folded, of how many, over all read models."""


class CannotReplay(OperatorError):
    """There is no such moment in the log, or what it held cannot be made again."""


class At(NamedTuple):
    """A position of a shard that is meant, the log's last one, and what the log says of it; nothing
    before its first event.
    """

    shard: int
    position: int
    log_head: int
    epoch: int | None = None
    recorded_at: datetime | None = None


class Position(NamedTuple):
    """A position of a shard, as somebody asks for it."""

    shard: int
    position: int

    def __str__(self) -> str:
        return f"{self.shard}:{self.position}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be replayed: up to when, into which schema, by which release of the program.
    `replace` says that an earlier replay may be dropped for it.
    """

    to: Position | datetime
    into: str
    release: str
    replace: bool = False

    @property
    def asked(self) -> str:
        """The moment in words."""
        return instant_text(self.to) if isinstance(self.to, datetime) else str(self.to)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to: the positions it stands at, and how many applications each read model
    leaves out from an event on.
    """

    schema: str
    at: Sequence[At]
    left_out: dict[str, int]


async def replay(
    database_url: str, request: Request, master: MasterKey, *, progress: Progress
) -> Replayed:
    """Make all read models as they stood at a moment. What is begun and fails is dropped again.

    The role of `database_url` must be allowed to create schemas. Raises OperatorError, psycopg.Error.
    """
    replay_schemas.require_name(request.into)
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(replay_schemas.opened(database_url))
        ledger_id, at = await resolved(owner, request.to)
        writer, reader = [
            await stack.enter_async_context(
                await connect(database_url, PROJECTOR_ROLE, "lending replay", session=SESSION)
            )
            for _ in range(2)
        ]
        await replay_schemas.take(owner, request.into)
        await replay_schemas.make_room(owner, request.into, replace=request.replace)
        filling = Filling(writer, reader, master=master, codec=Codec())
        work = _Replay(request, ledger_id, at, filling, progress)
        async with _made(owner, request.into, work.begun()):
            return await work.run(writer)


@asynccontextmanager
async def _made(
    owner: Connection, schema: str, begun: Sequence[Mapping[str, Any]]
) -> AsyncIterator[None]:
    """The schema; it is dropped where the block does not end well."""
    await replay_schemas.create(owner, schema, begun)
    try:
        yield
    except BaseException:
        with suppress(OperatorError, Error):  # what is left is listed as broken off
            await replay_schemas.drop(owner, schema)
        raise


class _Replay:
    """One replay into a schema that is there and empty."""

    def __init__(
        self,
        request: Request,
        ledger_id: UUID,
        at: Sequence[At],
        filling: Filling,
        progress: Progress,
    ) -> None:
        self._request = request
        self._ledger_id = ledger_id
        self._at = at
        self._filling = filling
        self._schema = {"schema": sql.Identifier(request.into)}
        self._models = [placed(model, request.into) for model in READ_MODELS]
        self._total = sum(one.position for one in at) * len(self._models)
        self._done = 0
        self._erased: dict[int, Mapping[UUID, frozenset[str]]] = {}
        self._progress = progress

    def begun(self) -> list[dict[str, Any]]:
        """The rows of the table `replay`, of which nothing is made yet."""
        return [self._row(model, at) for model in self._models for at in self._at]

    async def run(self, writer: Connection) -> Replayed:
        """Fill everything, then open it to those who read."""
        # After the schema is there: an erasure recorded later finds it, see lending.service.erasure.
        self._erased = {at.shard: await read_erased(writer, at.shard) for at in self._at}
        left_out = {model.name: await self._make(writer, model) for model in self._models}
        async with writer.transaction():
            await replay_schemas.open_to_readers(writer, self._request.into)
            await writer.execute(self._statement("finish_replay"))
        return Replayed(self._request.into, self._at, left_out)

    async def _make(self, writer: Connection, model: ReadModel) -> int:
        """A read model with all its rows; how many applications are left out from an event on."""
        await tables.create_table(writer, model, GENERATION)
        left_out = [await self._fill(writer, model, at) for at in self._at]
        await tables.create_indexes(writer, model, GENERATION)
        await tables.show(writer, model, GENERATION)
        return sum(left_out)

    async def _fill(self, writer: Connection, model: ReadModel, at: At) -> int:
        """The rows of one shard; how many applications are left out from an event on."""
        try:
            left_out = await self._filling.fill(
                Slice(model, GENERATION, at.shard, at.position),
                lambda done: self._progress(self._done + done, self._total),
                may_leave_out=await _quarantined(writer, at.shard),
                erased=self._erased[at.shard],
            )
        except Poisoned as poisoned:
            raise CannotReplay(f"{model.name}: {told(poisoned.poison)}") from None
        self._done += at.position
        counted = {"shard": at.shard, "projection": model.name, "left_out": len(left_out)}
        await writer.execute(self._statement("left_out"), counted)
        return len(left_out)

    def _statement(self, name: str) -> sql.Composed:
        return sql.SQL(REPLAY[name]).format(**self._schema)

    def _row(self, model: ReadModel, at: At) -> dict[str, Any]:
        return {
            **at._asdict(),
            "projection": model.name,
            "ledger_id": self._ledger_id,
            "asked": self._request.asked,
            "code_version": model.code_version,
            "release": self._request.release,
        }


async def _quarantined(connection: Connection, shard: int) -> set[UUID]:
    """The applications that any live read model leaves out: what it could not read, the others may
    have passed over, of whose streams not all is read.
    """
    found = [await acts.quarantined(connection, model, shard) for model in READ_MODELS]
    return {one.application_id for some in found for one in some}


def placed(model: ReadModel, schema: str) -> ReadModel:
    """The read model with its tables and its view in a schema."""
    return replace(model, schemas=Schemas(schema, schema))


async def resolved(connection: Connection, to: Position | datetime) -> tuple[UUID, Sequence[At]]:
    """Which ledger this is, and for each shard the position that is meant: the last one that was
    recorded by then. Raises CannotReplay.
    """
    row = await (await connection.execute(REPLAY["ledger"])).fetchone()
    if row is None:
        raise CannotReplay("this database holds no ledger yet")
    ledger_id, shards, now = row
    if isinstance(to, Position):
        given = await _position(connection, to, shards)
        by = given.recorded_at or now
    elif to > now:
        raise CannotReplay(f"{instant_text(to)} is still to come: it is {instant_text(now)}")
    else:
        given, by = None, to
    at = [
        given
        if given is not None and given.shard == shard
        else await _last_by(connection, shard, by)
        for shard in range(shards)
    ]
    if not any(one.position for one in at):
        raise CannotReplay(f"nothing was on record by {instant_text(by)}")
    return ledger_id, at


async def _position(connection: Connection, to: Position, shards: int) -> At:
    if to.shard >= shards:
        raise CannotReplay(f"there is no shard {to.shard}")
    head = await _head(connection, to.shard)
    if not 1 <= to.position <= head:
        raise CannotReplay(f"there is no position {to}: the log of the shard has 1 to {head}")
    return await _at(connection, to.shard, to.position, head)


async def _head(connection: Connection, shard: int) -> int:
    row = await (await connection.execute(SQL["head"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[0])


async def _last_by(connection: Connection, shard: int, instant: datetime) -> At:
    """The last position recorded by then: instants never decrease along a shard, so it is halved."""
    head = await _head(connection, shard)
    found, low, high = At(shard, 0, head), 1, head
    while low <= high:
        middle = (low + high) // 2
        at = await _at(connection, shard, middle, head)
        if at.recorded_at is not None and at.recorded_at <= instant:
            found, low = at, middle + 1
        else:
            high = middle - 1
    return found


async def _at(connection: Connection, shard: int, position: int, head: int) -> At:
    asked = {"shard": shard, "position": position}
    row = await (await connection.execute(REPLAY["at_position"], asked)).fetchone()
    if row is None:
        raise CannotReplay(f"position {shard}:{position} is missing: run `lending verify`")
    return At(shard, position, head, *row)
