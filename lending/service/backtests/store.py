"""The backtests that are kept: which are under way, how far each is, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from lending.domain.money import in_currency
from lending.domain.policies import PolicyOnRecord
from lending.policy import limits
from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries
from lending.service.backtests.carrying_out import Progress
from lending.service.requests import RequestFault

_SQL: Final = load_queries(files("lending.service.backtests") / "store.sql")
_LOST: Final = {"lost_seconds": limits.BACKTEST_LOST_SECONDS}


class TooManyBacktests(RequestFault):
    """As many backtests are under way as may be. Ask again when one of them has ended."""


class UnknownBacktest(RequestFault):
    """The version has no such backtest, or it was dropped."""


class BacktestRow(NamedTuple):
    """A backtest: of what, how far it is, and what came of it."""

    backtest_id: UUID
    policy: str
    version: str
    digest: str
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    reason: str | None
    total: int
    gone_through: int
    result: dict[str, Any] | None


class FlipRow(NamedTuple):
    """A decision that the policy would have made otherwise."""

    ordinal: int
    shard: int
    position: int
    application_id: UUID
    version: int
    recorded: str
    answered: str
    currency: str
    amount: Decimal
    reasons: list[str]


def kept_flip(row: tuple[Any, ...]) -> FlipRow:
    """A row of the table: amounts stand there with more digits than their currency has."""
    found = FlipRow(*row)
    return found._replace(amount=in_currency(found.amount, found.currency))


@dataclass(frozen=True, slots=True)
class FlipPage:
    """Some of them, and whether there are more."""

    rows: Sequence[FlipRow]
    more: bool


class BacktestStore:
    """Keeps backtests for a while."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, backtest_id: UUID, one: PolicyOnRecord, started_by: str) -> None:
        """Put one on the list, and drop what is old. Raises TooManyBacktests."""
        kept = {"days": limits.BACKTEST_KEPT_DAYS, "kept": limits.BACKTESTS_KEPT_MAX - 1}
        asked = {
            "backtest_id": backtest_id,
            "policy": one.cited.name,
            "version": one.cited.version,
            "digest": one.cited.digest,
            "started_by": started_by,
        }
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_SQL["one_at_a_time"])
            row = await (await connection.execute(_SQL["under_way"], _LOST)).fetchone()
            if row is not None and row[0] >= limits.BACKTESTS_AT_ONCE_MAX:
                raise TooManyBacktests(f"{row[0]} backtests are under way")
            await connection.execute(_SQL["sweep"], kept)
            await connection.execute(_SQL["begin"], asked)

    async def go_on(self, backtest_id: UUID, progress: Progress) -> None:
        """Say how far one is."""
        async with self._pool.connection() as connection:
            await connection.execute(_SQL["go_on"], _far(backtest_id, progress))

    async def end(self, backtest_id: UUID, progress: Progress, failure: str | None = None) -> None:
        """Say what came of one, whole or not at all."""
        early = progress.ended_early
        state = "failed" if failure else "ended_early" if early else "done"
        ended = {
            **_far(backtest_id, progress),
            "state": state,
            "reason": failure or early,
            "result": None if failure else orjson.dumps(progress.tally.told()).decode(),
        }
        async with self._pool.connection() as connection, connection.transaction():
            if not failure:
                rows = orjson.dumps(_flips(progress)).decode()
                kept = {"backtest_id": backtest_id, "rows": rows}
                await connection.execute(_SQL["keep_flips"], kept)
            await connection.execute(_SQL["end"], ended)

    async def of(
        self, policy: str, version: str, backtest_id: UUID | None = None
    ) -> list[BacktestRow]:
        """The backtests of a version, or the one that is named, newest first."""
        asked = {"policy": policy, "version": version, "backtest_id": backtest_id, **_LOST}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["found"], asked)).fetchall()
        return [BacktestRow(*row) for row in rows]

    async def one(self, policy: str, version: str, backtest_id: UUID) -> BacktestRow:
        """One of them. Raises UnknownBacktest."""
        found = await self.of(policy, version, backtest_id)
        if not found:
            raise UnknownBacktest(f"{policy} {version} has no backtest {backtest_id}")
        return found[0]

    async def flips(self, backtest_id: UUID, after: int, limit: int) -> FlipPage:
        """The flips of one behind an ordinal."""
        asked = {"backtest_id": backtest_id, "after": after, "limit": limit + 1}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_SQL["flips"], asked)).fetchall()
        return FlipPage([kept_flip(row) for row in rows[:limit]], more=len(rows) > limit)


def _far(backtest_id: UUID, progress: Progress) -> dict[str, Any]:
    return {
        "backtest_id": backtest_id,
        "total": progress.total,
        "gone_through": progress.gone_through,
    }


def _flips(progress: Progress) -> list[dict[str, Any]]:
    return [
        {
            "ordinal": ordinal,
            "shard": case.shard,
            "position": case.position,
            "application_id": case.application_id,
            "version": case.version,
            "recorded": case.recorded,
            "answered": case.answered,
            "currency": case.currency,
            "amount": case.amount,
            "reasons": case.reasons or case.recorded_reasons,
        }
        for ordinal, case in enumerate(progress.tally.flips, 1)
    ]
