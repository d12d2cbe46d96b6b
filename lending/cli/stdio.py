"""The process that `lending mcp` is: PostgreSQL, the ledger, the worker and the tools, put together.

What belongs here: the order in which the parts start, and stop again, as in service.py. The standard
streams come first, so that nothing started after them can write between the messages.
"""

import asyncio
from contextlib import AsyncExitStack, suppress

from lending.agents.stdio import standard_streams
from lending.cli.agents import admitted_on_stdio, agent_server
from lending.cli.database import bring_up_to_date, opened_database
from lending.cli.service import running_worker
from lending.runtime.settings import Settings
from lending.runtime.web import on_signals
from lending.service.ledger import Ledger


async def run_on_stdio(settings: Settings) -> None:
    """Serve until the client closes our input, or we are asked to stop. Raises OperatorError."""
    task = asyncio.create_task(_run(settings))
    with on_signals(task.cancel), suppress(asyncio.CancelledError):
        await task


async def _run(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        serve = await stack.enter_async_context(standard_streams())
        database = await stack.enter_async_context(opened_database(settings))
        await bring_up_to_date(database, settings)
        ledger = await stack.enter_async_context(Ledger.open(database.url, settings))
        if settings.worker:
            await stack.enter_async_context(running_worker(database))
        admitted = await admitted_on_stdio(ledger, settings)
        await serve(agent_server(ledger, admitted=admitted))
