"""How far each webhook was told, as the process that works on it keeps it.

Each method is one short transaction; nothing is sent inside one. Whatever it writes counts only
while the webhook is leased to it: a process that lost its lease changes nothing any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from lending.ledger.leaf import Envelope
from lending.ledger.sealing import MasterKey
from lending.runtime import limits
from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries
from lending.service.subscription import EventFilter
from lending.service.webhooks.model import Cursor, Delivery, Form, Outcome, Reason, State
from lending.service.webhooks.registrations import delivery_of, filter_of, secret_purpose

_SQL: Final = load_queries(files("lending.service.webhooks") / "statements.sql")


class LeaseLost(Exception):
    """Another process works on the webhook, or it was deleted."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a sender works with: read anew for each stretch of the log."""

    url: str
    form: Form
    wanted: EventFilter
    cursor: Cursor
    waiting: int
    dead: int
    secrets: Sequence[bytes]
    answered_by: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that was not taken, with what became of the attempt and the pause until the next, or
    one behind such an event, which was not sent.
    """

    envelope: Envelope
    outcome: Outcome | None
    pause_seconds: float


class Progress:
    """The progress of webhooks as one process, the `owner`, makes it."""

    def __init__(self, pool: Pool, master: MasterKey, owner: UUID) -> None:
        self._pool = pool
        self._master = master
        self.owner = owner

    async def lease(self) -> tuple[Sequence[UUID], Sequence[UUID]]:
        """Renew one's leases and take what nobody works on: those just leased for
        WEBHOOK_LEASE_SECONDS, and all that are leased.
        """
        asked = {"owner": self.owner, "seconds": limits.WEBHOOK_LEASE_SECONDS}
        async with self._pool.connection() as connection:
            renewed = await (await connection.execute(_SQL["lease"], asked)).fetchall()
            leased = await (await connection.execute(_SQL["leased"], asked)).fetchall()
        return [row[0] for row in renewed], [row[0] for row in leased]

    async def release(self) -> None:
        """Leave every webhook to other processes."""
        await self._execute("release")

    async def work(self, webhook_id: UUID) -> Work | None:
        """What to work with; None where the webhook is not active or not leased to this process."""
        row = await self._one("work", webhook_id=webhook_id)
        if row is None:
            return None
        (url, form, application_id, event_types, stages, shard, position, epoch, waiting, dead, ids,
         wrapped, answered_by) = row  # fmt: skip
        secrets = [
            self._master.unwrap(bytes(one), secret_purpose(webhook_id, secret_id))
            for secret_id, one in zip(ids, wrapped, strict=True)
        ]
        return Work(
            url,
            Form(form),
            filter_of(application_id, event_types, stages),
            Cursor(shard, position, epoch),
            waiting,
            dead,
            secrets,
            answered_by,
        )

    async def blocked(self, webhook_id: UUID) -> frozenset[UUID]:
        """The streams of which something waits."""
        async with self._pool.connection() as connection:
            rows = await (
                await connection.execute(_SQL["blocked"], {"webhook_id": webhook_id})
            ).fetchall()
        return frozenset(row[0] for row in rows)

    async def move(
        self,
        webhook_id: UUID,
        at: Cursor,
        to: Cursor,
        undelivered: Sequence[Undelivered],
        *,
        taken: bool,
    ) -> None:
        """Move the cursor, and put what was not taken among the deliveries. Raises LeaseLost."""
        moved = {
            "webhook_id": webhook_id,
            "owner": self.owner,
            "shard": at.shard,
            "position": at.position,
            "epoch": at.epoch,
            "to_position": to.position,
            "to_epoch": to.epoch,
            "taken": taken,
        }
        rows = [_row(webhook_id, one) for one in undelivered]
        async with self._pool.connection() as connection, connection.transaction():
            if await (await connection.execute(_SQL["move"], moved)).fetchone() is None:
                raise LeaseLost
            if rows:
                await connection.cursor().executemany(_SQL["insert_delivery"], rows)

    async def stop(self, webhook_id: UUID, state: State, reason: Reason) -> None:
        """Tell it nothing more until somebody resumes it."""
        await self._execute("stop", webhook_id=webhook_id, state=state.value, reason=reason.value)

    async def due(
        self, webhook_id: UUID, *, application_id: UUID | None = None
    ) -> Sequence[Delivery]:
        """What is to be sent now: of each application, or of one, the first that waits."""
        asked = {
            "webhook_id": webhook_id,
            "application_id": application_id,
            "limit": limits.WEBHOOK_RETRIES_AT_ONCE,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["due"], asked)).fetchall()
        return [delivery_of(row) for row in rows]

    async def delivered(self, webhook_id: UUID, delivery: Delivery) -> None:
        """A waiting event was taken. Raises LeaseLost."""
        await self._settle("delivered", webhook_id, delivery)

    async def failed(
        self, webhook_id: UUID, delivery: Delivery, outcome: Outcome, pause_seconds: float | None
    ) -> None:
        """A waiting event was not taken; without a pause it is given up. Raises LeaseLost."""
        await self._settle(
            "failed", webhook_id, delivery, pause_seconds=pause_seconds, **_said(outcome)
        )

    async def _settle(
        self, statement: str, webhook_id: UUID, delivery: Delivery, **values: Any
    ) -> None:
        row = await self._one(
            statement,
            webhook_id=webhook_id,
            shard=delivery.shard,
            position=delivery.position,
            **values,
        )
        if row is None:
            raise LeaseLost

    async def _one(self, statement: str, **values: Any) -> tuple[Any, ...] | None:
        async with self._pool.connection() as connection:
            found = await connection.execute(_SQL[statement], {**values, "owner": self.owner})
            return await found.fetchone()

    async def _execute(self, statement: str, **values: Any) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(_SQL[statement], {**values, "owner": self.owner})


def _row(webhook_id: UUID, one: Undelivered) -> dict[str, Any]:
    envelope = one.envelope
    return {
        "webhook_id": webhook_id,
        "shard": envelope.shard,
        "position": envelope.position,
        "epoch": envelope.epoch,
        "application_id": envelope.application_id,
        "event_type": envelope.event_type,
        "attempts": 0 if one.outcome is None else 1,
        "pause_seconds": one.pause_seconds,
        **_said(one.outcome),
    }


def _said(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"status": None, "error": None}
    error = None if outcome.failure is None else outcome.failure.value
    return {"status": outcome.status, "error": error}
