"""Which webhooks this process works on: those it could lease. Supervised by the ledger.

Any number of processes may run it; a webhook is worked on by one of them at a time. One that
vanishes is replaced when its leases are over.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from uuid import UUID

import httpcore2
import psycopg
import psycopg_pool

from lending.runtime import limits
from lending.service.history import History
from lending.service.webhooks.courier import Courier
from lending.service.webhooks.progress import LeaseLost
from lending.service.webhooks.reading import LogReader
from lending.service.webhooks.sender import Lease, Means, Sender

_LOG: Final = logging.getLogger(__name__)
_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    OSError,
)
"""The database cannot be reached, or not now: everything is tried again."""


class Dispatcher:
    """Runs a sender for each webhook that is leased to this process."""

    def __init__(
        self,
        means: Means,
        history: History,
        backend: httpcore2.AsyncNetworkBackend,
        tls: Callable[[], ssl.SSLContext] = httpcore2.default_ssl_context,
    ) -> None:
        self._means = means
        self._history = history
        self._backend = backend
        self._tls = tls()
        self._senders: dict[UUID, asyncio.Task[None]] = {}
        self._leases: dict[UUID, Lease] = {}

    async def run(self) -> None:
        """Until cancelled; then everything is left to other processes."""
        try:
            while True:
                try:
                    await self._look()
                except _AWAY as fault:
                    _LOG.warning("webhooks wait for the database: %s", type(fault).__name__)
                await asyncio.sleep(limits.WEBHOOK_LOOK_SECONDS)
        finally:
            await self._end([*self._senders])
            with suppress(*_AWAY):
                await self._means.progress.release()

    async def _look(self) -> None:
        """Renew and take leases; see to it that a sender runs for each."""
        before = asyncio.get_running_loop().time()
        renewed, leased = await self._means.progress.lease()
        for webhook_id in renewed:
            lease = self._leases.setdefault(webhook_id, Lease(before))
            lease.until = before + limits.WEBHOOK_LEASE_SECONDS
        for webhook_id in leased:
            if webhook_id in self._leases and webhook_id not in self._senders:
                self._begin(webhook_id)
        for webhook_id, sender in [*self._senders.items()]:
            if sender.done():
                self._ended(webhook_id, sender)
        kept = {*leased, *self._senders}
        self._leases = {one: lease for one, lease in self._leases.items() if one in kept}

    def _begin(self, webhook_id: UUID) -> None:
        self._senders[webhook_id] = asyncio.create_task(self._send(webhook_id))

    async def _send(self, webhook_id: UUID) -> None:
        async with Courier(self._backend, self._tls) as courier:
            reader, lease = LogReader(self._history), self._leases[webhook_id]
            await Sender(webhook_id, lease, self._means, reader, courier).run()

    def _ended(self, webhook_id: UUID, sender: "asyncio.Task[None]") -> None:
        """Forget a sender that ended; where it is still leased, the next look begins another."""
        del self._senders[webhook_id]
        fault = None if sender.cancelled() else sender.exception()
        if isinstance(fault, _AWAY):
            _LOG.warning("webhook %s waits for the database: %s", webhook_id, type(fault).__name__)
        elif fault is not None and not isinstance(fault, LeaseLost):
            _LOG.error("webhook %s: its sender failed", webhook_id, exc_info=fault)

    async def _end(self, webhook_ids: list[UUID]) -> None:
        senders = [self._senders.pop(webhook_id) for webhook_id in webhook_ids]
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
