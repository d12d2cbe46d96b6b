"""The process that `lending serve` is: PostgreSQL, the ledger, the worker, HTTP, put together.

What belongs here: the order in which the parts start, and stop again. Each part is in its own place.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from lending.api.app import LedgerApi, create_app
from lending.api.metrics import Metrics
from lending.api.webhook_delivery import deliver_webhooks
from lending.cli.database import Database, bring_up_to_date, opened_database
from lending.runtime.children import Child, ChildState
from lending.runtime.memory import collect_rarely
from lending.runtime.settings import Authentication, Settings
from lending.runtime.tasks import beside
from lending.runtime.telemetry import new_registry
from lending.runtime.web import HttpServer, allow_open_files, listen, on_signals, url_of
from lending.service.ledger import Ledger

if TYPE_CHECKING:
    from lending.agents.http import AgentsOverHttp


async def run_until_stopped(settings: Settings) -> None:
    """Run the service. Asked to stop, it finishes what it does; before it serves, it just ends.

    Raises OperatorError where something it needs is not to be had.
    """
    service = _Service(settings)
    task = asyncio.create_task(service.run())

    def stop() -> None:
        if not service.stop():
            task.cancel()

    with on_signals(stop), suppress(asyncio.CancelledError):
        await task


class _Service:
    """The parts of a service, started in the order they need each other, stopped in the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: LedgerApi | None = None
        self._server: HttpServer | None = None

    def stop(self) -> bool:
        """Stop serving; False if it does not serve yet."""
        if self._app is None or self._server is None or not self._server.started:
            return False
        self._app.stop_waiting()
        self._server.stop()
        return True

    async def run(self) -> None:
        """Serve until stopped. Raises OperatorError."""
        settings = self._settings
        allow_open_files()
        collect_rarely()
        async with AsyncExitStack() as stack:
            # First of all, so that a port in use is told at once and nothing is started in vain.
            required = settings.authentication is Authentication.REQUIRED
            listener = stack.enter_context(
                listen(settings.host, settings.port, authenticated=required)
            )
            database = await stack.enter_async_context(opened_database(settings))
            await bring_up_to_date(database, settings)
            metrics = Metrics(new_registry())
            opening = Ledger.open(database.url, settings, observer=metrics)
            ledger = await stack.enter_async_context(opening)
            worker = None
            if settings.worker:
                worker = await stack.enter_async_context(running_worker(database))
            agents = await stack.enter_async_context(_tools(ledger, metrics, settings))
            if settings.webhooks:
                deliver_webhooks(ledger, settings, metrics.webhooks)
            self._app = create_app(
                ledger,
                settings,
                metrics=metrics,
                worker_failure=None if worker is None else lambda: _failure(worker.state),
                agents=agents,
                agents_failure=None if agents is None else lambda: agents.failure,
            )
            self._server = HttpServer(self._app, on_started=lambda: _announce(listener))
            await self._server.serve(sockets=[listener])


@asynccontextmanager
async def _tools(
    ledger: Ledger, metrics: Metrics, settings: Settings
) -> "AsyncIterator[AgentsOverHttp | None]":
    """The tools for models inside the block, or None where they are left out. What they import, the
    protocol's SDK, takes as long as all the rest.
    """
    if not settings.mcp:
        yield None
        return
    from lending.agents.http import AgentsOverHttp
    from lending.cli.agents import agent_server

    server = agent_server(ledger, admitted=None, observed=metrics.commanded)
    async with AgentsOverHttp(server).running() as agents:
        yield agents


@asynccontextmanager
async def running_worker(database: Database) -> AsyncIterator[Child]:
    """The worker, as a child process, inside the block."""
    environment = {**os.environ, "DATABASE_URL": database.url, "LENDING_MIGRATE_ON_START": "false"}
    command = [sys.executable, "-m", "lending", "worker", "--end-with-parent"]
    worker = Child("worker", command, environment)
    async with beside(worker.supervise()):
        yield worker


def _failure(state: ChildState) -> str | None:
    if state.running:
        return None
    return (
        f"it does not run; it ended last by {state.last_exit}" if state.last_exit else "it starts"
    )


def _announce(listener: socket.socket) -> None:
    url = url_of(listener)
    print(
        f"The ledger is at {url}, how to use it at {url}/docs. Look at its data with: lending psql",
        flush=True,
    )
