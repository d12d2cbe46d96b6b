"""What a person does about a read model that has stopped: retry, quarantine, release.

What belongs here: explicit acts, each under the checkpoint's lock, and recorded. That a stopped read
model never goes on by itself is the point of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lending.domain.identifiers import registry_id
from lending.ledger.codec import Codec
from lending.ledger.sealing import MasterKey
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection
from projections.batches import write_rows
from projections.checkpoints import Checkpoint, Checkpoints
from projections.folding import NOTHING, Fold, Poisoned
from projections.model import Happened, ReadModel, Row
from projections.reading import SQL, LogReader


class NotInstalled(OperatorError):
    """The read model has no checkpoint in this shard."""


class NotStopped(OperatorError):
    """The read model runs: there is nothing to retry or to quarantine."""


class CannotQuarantine(OperatorError):
    """What the read model stopped for is not an event of an application."""


class NotQuarantined(OperatorError):
    """The read model does not leave this application out."""


class StillPoison(OperatorError):
    """The application cannot be taken in: one of its events still cannot be read or applied."""


class OtherCode(OperatorError):
    """The rows were made by another version of the code."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An application that is left out, from which event on, and why."""

    application_id: UUID
    position: int
    version: int
    event_type: str
    error: str
    reason: str
    quarantined_by: str
    quarantined_at: datetime


async def retry(connection: Connection, model: ReadModel, shard: int, by: str) -> int:
    """Have the workers try again where the read model stopped; that position.

    Raises NotStopped.
    """
    async with connection.transaction():
        checkpoints = Checkpoints(connection, model, shard, by)
        checkpoint = await _stopped(checkpoints, model, shard)
        await checkpoints.resume()
        return checkpoint.stopped_position or 0


async def quarantine(
    connection: Connection, model: ReadModel, shard: int, *, reason: str, by: str
) -> Quarantined:
    """Leave the application out whose event the read model stopped for, from that event on.

    Raises NotStopped, CannotQuarantine.
    """
    async with connection.transaction():
        checkpoints = Checkpoints(connection, model, shard, by)
        checkpoint = await _stopped(checkpoints, model, shard)
        where = {"shard": shard, "position": checkpoint.stopped_position}
        event = await (await connection.execute(SQL["event"], where)).fetchone()
        if checkpoint.stopped_because != "poison" or event is None:
            raise CannotQuarantine(f"{model.name} stopped because of no event: {checkpoint.error}")
        if event[0] == registry_id(shard):
            raise CannotQuarantine(
                f"position {checkpoint.stopped_position} belongs to the registry, which concerns"
                " every application; upgrade to a release that can read it, then retry"
            )
        left_out = {
            **where,
            "projection": model.name,
            "application_id": event[0],
            "version": event[1],
            "event_type": event[2],
            "error": checkpoint.error,
            "reason": reason,
            "by": by,
        }
        await connection.execute(SQL["insert_quarantine"], left_out)
        await checkpoints.resume()
        found = await quarantined(connection, model, shard)
        return next(one for one in found if one.application_id == event[0])


async def quarantined(
    connection: Connection, model: ReadModel, shard: int
) -> Sequence[Quarantined]:
    """The applications that are left out now."""
    asked = {"shard": shard, "projection": model.name}
    rows = await (await connection.execute(SQL["quarantined"], asked)).fetchall()
    return [Quarantined(*row) for row in rows]


async def release(
    connection: Connection,
    model: ReadModel,
    shard: int,
    application_id: UUID,
    *,
    by: str,
    master: MasterKey,
) -> int:
    """Take an application in again: its rows are folded from its whole stream, up to where the read
    model stands. Returns the position of the event that it was left out for.

    Raises NotQuarantined, StillPoison, OtherCode.
    """
    async with connection.transaction():
        checkpoint = await _claimed(Checkpoints(connection, model, shard, by), model, shard)
        if checkpoint.code_version != model.code_version:
            raise OtherCode(
                f"the rows of {model.name} were made by version {checkpoint.code_version} of its"
                f" code, and this is version {model.code_version}"
            )
        asked = {
            "shard": shard,
            "projection": model.name,
            "application_id": application_id,
            "by": by,
        }
        row = await (await connection.execute(SQL["release_quarantine"], asked)).fetchone()
        if row is None:
            raise NotQuarantined(f"{model.name} does not leave application {application_id} out")
        reader = LogReader(connection, shard, codec=Codec(), master=master, places=model.opens)
        rows, settled = await _folded(reader, model, shard, application_id, checkpoint.position)
        await write_rows(
            connection, model, shard, checkpoint.generation, rows=rows, settled=settled
        )
        return int(row[0])


async def _folded(
    reader: LogReader, model: ReadModel, shard: int, application_id: UUID, upto: int
) -> tuple[list[Row], dict[UUID, int]]:
    fold, held = Fold(model, shard), NOTHING
    settled: dict[UUID, int] = {}
    page: list[Happened]
    async for page in reader.streams([application_id], upto):
        try:
            onward = fold.onward(held, page)
        except Poisoned as poisoned:
            poison = poisoned.poison
            raise StillPoison(
                f"position {poison.position} ({poison.event_type}, version {poison.version} of"
                f" {application_id}): {poison.error}"
            ) from None
        held = onward.held
        if onward.settled is not None:
            settled[application_id] = onward.settled
    return list((held.rows or {}).values()), settled


async def _claimed(checkpoints: Checkpoints, model: ReadModel, shard: int) -> Checkpoint:
    checkpoint = await checkpoints.claim(patiently=True)
    if checkpoint is None:
        raise NotInstalled(
            f"{model.name} has no checkpoint in shard {shard}: run `lending migrate`"
        )
    return checkpoint


async def _stopped(checkpoints: Checkpoints, model: ReadModel, shard: int) -> Checkpoint:
    checkpoint = await _claimed(checkpoints, model, shard)
    if not checkpoint.stopped:
        raise NotStopped(
            f"{model.name} is running in shard {shard}, at position {checkpoint.position}"
        )
    return checkpoint
