"""Backtests as they are asked for: begun at once, carried out beside everything else, kept for a while."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import psycopg

from lending.domain.policies import PolicyOnRecord
from lending.policy.catalogue import others_of
from lending.service.backtests.carrying_out import (
    BacktestFailed,
    Progress,
    Subject,
    carry_out,
    processes_at_most,
)
from lending.service.backtests.store import BacktestRow, BacktestStore
from lending.service.policies import PolicyCatalogue

_LOG: Final = logging.getLogger(__name__)
_TELL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfLedger:
    """What the processes of a backtest need to know of the ledger."""

    database_url: str = field(repr=False)
    master_key: bytes = field(repr=False)
    shards: int


class Backtests:
    """Begins backtests and carries them out; `run` is where that is done."""

    def __init__(
        self,
        ledger: OfLedger,
        store: BacktestStore,
        policies: PolicyCatalogue,
        new_id: Callable[[int], UUID],
    ) -> None:
        self.kept = store
        self._ledger = ledger
        self._policies = policies
        self._new_id = new_id
        self._begun: asyncio.Queue[tuple[UUID, Subject]] = asyncio.Queue()

    async def subject(self, name: str, version: str) -> tuple[PolicyOnRecord, Subject]:
        """What a backtest of this version asks, whether it is active, withdrawn or neither.

        Raises UnknownPolicy.
        """
        standing = await self._policies.standing()
        one = standing.found(name, version)
        subject = Subject(
            database_url=self._ledger.database_url,
            master_key=self._ledger.master_key,
            shards=self._ledger.shards,
            definition=one.definition,
            others=others_of(one.definition, standing.policies),
        )
        return one, subject

    async def begin(self, name: str, version: str, started_by: str) -> BacktestRow:
        """Begin a backtest of a version. Raises UnknownPolicy, TooManyBacktests."""
        one, subject = await self.subject(name, version)
        backtest_id = self._new_id(0)
        await self.kept.begin(backtest_id, one, started_by)
        self._begun.put_nowait((backtest_id, subject))
        return await self.kept.one(name, version, backtest_id)

    async def run(self) -> None:
        """Carry out what is begun, until cancelled; what is under way then is lost."""
        async with asyncio.TaskGroup() as group:
            while True:
                begun = await self._begun.get()
                group.create_task(self._carry_out(*begun))

    async def _carry_out(self, backtest_id: UUID, subject: Subject) -> None:
        """Carry out one, and keep what came of it; whatever goes wrong is its own affair."""
        progress, failure = Progress(), None
        telling = asyncio.create_task(self._tell(backtest_id, progress))
        try:
            await carry_out(subject, processes_at_most(), progress)
        except Exception as fault:  # noqa: BLE001 whatever it is, the next one is carried out
            _LOG.exception("the backtest %s has failed", backtest_id)
            told = isinstance(fault, BacktestFailed)
            failure = str(fault) if told else "the log of the service says why"
        finally:
            telling.cancel()
        try:
            await self.kept.end(backtest_id, progress, failure)
        except psycopg.Error:
            _LOG.exception("what came of the backtest %s was not kept", backtest_id)

    async def _tell(self, backtest_id: UUID, progress: Progress) -> None:
        """Say how far one is, every second; it counts as lost once that is not said any more."""
        while True:
            try:
                await self.kept.go_on(backtest_id, progress)
            except psycopg.Error:
                _LOG.warning("how far the backtest %s is was not kept", backtest_id)
            await asyncio.sleep(_TELL_SECONDS)
