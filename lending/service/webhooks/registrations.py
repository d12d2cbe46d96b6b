"""Webhooks as those who look after them see them: registering, pausing, replaying, new secrets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from lending.domain.application.state import Stage
from lending.ledger.sealing import MasterKey, Randomness
from lending.runtime import limits
from lending.runtime.postgres import Connection, Pool
from lending.runtime.sql import load_queries
from lending.service.authority import FIRST_SHARD
from lending.service.history import History, HistoryGone
from lending.service.subscription import EventFilter
from lending.service.webhooks import signing
from lending.service.webhooks.addresses import require_sendable
from lending.service.webhooks.model import (
    Cursor,
    Delivery,
    DeliveryState,
    Form,
    Reason,
    Registration,
    State,
    TooManyWebhooks,
    UnknownDelivery,
    UnknownWebhook,
    Webhook,
    Withheld,
)

_SQL: Final = load_queries(files("lending.service.webhooks") / "statements.sql")


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A stretch of deliveries, and whether more follow."""

    deliveries: Sequence[Delivery]
    more: bool


def secret_purpose(webhook_id: UUID, secret_id: UUID) -> bytes:
    """What the encryption of a secret is bound to: the row it stands in."""
    return f"webhook/{webhook_id}/{secret_id}".encode("ascii")


class Registrations:
    """Keeps the webhooks. A secret leaves it once, to whoever asked for it to be made."""

    def __init__(
        self,
        *,
        pool: Pool,
        history: History,
        master: MasterKey,
        randomness: Randomness,
        new_id: Callable[[int], UUID],
        private_allowed: bool,
        withheld: Callable[[str], Withheld | None],
    ) -> None:
        """`withheld` says why nothing is sent on the answer of a principal, if so."""
        self._pool = pool
        self._history = history
        self._master = master
        self._randomness = randomness
        self._new_id = new_id
        self._private_allowed = private_allowed
        self._withheld = withheld

    async def register(
        self, asked: Registration, *, by: str, after: tuple[int, int, int | None] | None
    ) -> tuple[Webhook, str]:
        """A new webhook and its secret. It is told of what stands behind `after` (shard, position,
        epoch), by default of what is recorded from now on.

        Raises UrlRefused, TooManyWebhooks, HistoryGone, UnknownShard.
        """
        require_sendable(asked.url, private_allowed=self._private_allowed)
        cursor = await self._cursor(after)
        webhook_id = self._new_id(cursor.shard)
        row = {
            "webhook_id": webhook_id,
            "url": asked.url,
            "description": asked.description,
            "application_id": asked.wanted.application_id,
            "event_types": sorted(asked.wanted.event_types),
            "stages": sorted(stage.value for stage in asked.wanted.stages),
            "form": asked.form.value,
            "created_by": by,
            "shard": cursor.shard,
            "position": cursor.position,
            "epoch": cursor.epoch,
        }
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_SQL["one_at_a_time"])
            count = await (await connection.execute(_SQL["count"])).fetchone()
            if count is not None and count[0] >= limits.WEBHOOKS_MAX:
                raise TooManyWebhooks(f"at most {limits.WEBHOOKS_MAX} may be registered")
            await connection.execute(_SQL["insert"], row)
            secret = await self._add_secret(connection, webhook_id)
        return await self.one(webhook_id), secret

    async def _cursor(self, after: tuple[int, int, int | None] | None) -> Cursor:
        if after is None:
            standing = await self._history.standing(FIRST_SHARD)
            return Cursor(FIRST_SHARD, standing.head, standing.epoch)
        shard, position, epoch = after
        return Cursor(shard, position, await self._history.require_cursor(shard, position, epoch))

    async def _add_secret(self, connection: Connection, webhook_id: UUID) -> str:
        secret, secret_id = signing.new_secret(self._randomness), self._new_id(FIRST_SHARD)
        wrapped = self._master.wrap(secret, secret_purpose(webhook_id, secret_id))
        row = {"webhook_id": webhook_id, "secret_id": secret_id, "wrapped": wrapped}
        await connection.execute(_SQL["insert_secret"], row)
        return signing.secret_text(secret)

    async def all(self) -> Sequence[Webhook]:
        """Every webhook, the oldest first."""
        return await self._webhooks(None)

    async def one(self, webhook_id: UUID) -> Webhook:
        """One webhook. Raises UnknownWebhook."""
        found = await self._webhooks(webhook_id)
        if not found:
            raise _unknown(webhook_id)
        return found[0]

    async def _webhooks(self, webhook_id: UUID | None) -> Sequence[Webhook]:
        async with self._pool.connection() as connection:
            rows = await (
                await connection.execute(_SQL["webhooks"], {"webhook_id": webhook_id})
            ).fetchall()
        return [_webhook(row, self._withheld) for row in rows]

    async def delete(self, webhook_id: UUID) -> None:
        """Forget a webhook, and what was to be sent to it. Raises UnknownWebhook."""
        async with self._pool.connection() as connection:
            done = await connection.execute(_SQL["delete"], {"webhook_id": webhook_id})
        if not done.rowcount:
            raise _unknown(webhook_id)

    async def rotate(self, webhook_id: UUID, overlap_seconds: int) -> tuple[Webhook, str]:
        """A new secret; the one it replaces goes on signing beside it for a time.

        Raises UnknownWebhook.
        """
        asked = {
            "webhook_id": webhook_id,
            "overlap_seconds": overlap_seconds,
            "kept": limits.WEBHOOK_SECRETS_MAX - 1,
        }
        async with self._pool.connection() as connection, connection.transaction():
            await _locked(connection, webhook_id)
            await connection.execute(_SQL["replace_secret"], asked)
            secret = await self._add_secret(connection, webhook_id)
            await connection.execute(_SQL["end_oldest_secrets"], asked)
        return await self.one(webhook_id), secret

    async def pause(self, webhook_id: UUID) -> Webhook:
        """Send nothing until it is resumed; its place in the log stays. Raises UnknownWebhook."""
        async with self._pool.connection() as connection, connection.transaction():
            await _locked(connection, webhook_id)
            await connection.execute(_SQL["pause"], {"webhook_id": webhook_id})
        return await self.one(webhook_id)

    async def resume(self, webhook_id: UUID, *, by: str) -> Webhook:
        """Go on from where it stood, whatever it was stopped for; `by` answers for what is sent.

        If the log lost events that it was told of, it goes on behind the last one that still is the
        record, and what waited of the lost ones is dropped. Raises UnknownWebhook.
        """
        at = (await self.one(webhook_id)).cursor
        rewound = await self._rewound(at)
        async with self._pool.connection() as connection, connection.transaction():
            _, _, *place = await _locked(connection, webhook_id)
            if rewound is not None and Cursor(*place) == at:
                moved = {
                    "webhook_id": webhook_id,
                    "shard": rewound.shard,
                    "position": rewound.position,
                    "epoch": rewound.epoch,
                }
                await connection.execute(_SQL["rewind"], moved)
                await connection.execute(_SQL["forget_lost"], moved)
            await connection.execute(_SQL["resume"], {"webhook_id": webhook_id, "by": by})
        return await self.one(webhook_id)

    async def _rewound(self, at: Cursor) -> Cursor | None:
        """Where to go on if the cursor is of a history whose end was lost."""
        try:
            await self._history.require_cursor(at.shard, at.position, at.epoch)
        except HistoryGone as gone:
            return Cursor(at.shard, gone.first_position - 1, gone.epoch)
        return None

    async def deliveries(
        self,
        webhook_id: UUID,
        state: DeliveryState | None,
        *,
        after: tuple[int, int],
        limit: int,
    ) -> DeliveryPage:
        """What its receiver has not taken, by position. Raises UnknownWebhook."""
        await self.one(webhook_id)
        asked = {
            "webhook_id": webhook_id,
            "dead": None if state is None else state is DeliveryState.DEAD,
            "shard": after[0],
            "after": after[1],
            "limit": limit + 1,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["deliveries"], asked)).fetchall()
        return DeliveryPage([delivery_of(row) for row in rows[:limit]], len(rows) > limit)

    async def replay(self, webhook_id: UUID, shard: int, position: int) -> Delivery:
        """Send an event that was given up, or waits, again now. Raises UnknownWebhook,
        UnknownDelivery.
        """
        asked = {"webhook_id": webhook_id, "shard": shard, "position": position}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL["replay"], asked)).fetchone()
        if row is None:
            await self.one(webhook_id)
            raise UnknownDelivery(f"no event {shard}:{position} waits or was given up")
        return delivery_of(row)

    async def replay_dead(self, webhook_id: UUID) -> int:
        """Send what was given up again, as much as may wait at a time; how much that is.

        Raises UnknownWebhook.
        """
        await self.one(webhook_id)
        asked = {"webhook_id": webhook_id, "limit": limits.WEBHOOK_WAITING_MAX_DELIVERIES}
        async with self._pool.connection() as connection:
            return (await connection.execute(_SQL["replay_dead"], asked)).rowcount


async def _locked(connection: Connection, webhook_id: UUID) -> tuple[Any, ...]:
    row = await (await connection.execute(_SQL["lock"], {"webhook_id": webhook_id})).fetchone()
    if row is None:
        raise _unknown(webhook_id)
    return row


def _unknown(webhook_id: UUID) -> UnknownWebhook:
    return UnknownWebhook(f"there is no webhook {webhook_id}")


def _webhook(row: tuple[Any, ...], withheld: Callable[[str], Withheld | None]) -> Webhook:
    (webhook_id, url, description, application_id, event_types, stages, form, created_by, created_at,
     resumed_by, state, reason, state_since, shard, position, epoch, delivered_at, lag_events, waiting, dead, since,
     until) = row  # fmt: skip
    return Webhook(
        webhook_id=webhook_id,
        url=url,
        description=description,
        wanted=filter_of(application_id, event_types, stages),
        form=Form(form),
        created_by=created_by,
        created_at=created_at,
        resumed_by=resumed_by,
        state=State(state),
        reason=None if reason is None else Reason(reason),
        withheld=withheld(resumed_by or created_by) if state == State.ACTIVE else None,
        state_since=state_since,
        cursor=Cursor(shard, position, epoch),
        delivered_at=delivered_at,
        lag_events=lag_events,
        waiting=waiting,
        dead=dead,
        secrets=list(zip(since, until, strict=True)),
    )


def filter_of(
    application_id: UUID | None, event_types: Sequence[str], stages: Sequence[str]
) -> EventFilter:
    """The filter that a row says."""
    return EventFilter(application_id, frozenset(event_types), frozenset(map(Stage, stages)))


def delivery_of(row: tuple[Any, ...]) -> Delivery:
    """The delivery that a row says."""
    (shard, position, epoch, application_id, event_type, attempts, next_attempt_at, last_attempt_at,
     last_status, last_error, dead_at, created_at) = row  # fmt: skip
    return Delivery(
        shard=shard,
        position=position,
        epoch=epoch,
        application_id=application_id,
        event_type=event_type,
        attempts=attempts,
        next_attempt_at=next_attempt_at,
        last_attempt_at=last_attempt_at,
        last_status=last_status,
        last_error=last_error,
        dead_at=dead_at,
        created_at=created_at,
    )
