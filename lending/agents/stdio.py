"""The tools on standard input and output, for a client that runs the ledger as its own process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from mcp.server.stdio import stdio_server

from lending.agents.server import AgentServer

Serve = Callable[[AgentServer], Awaitable[None]]


@asynccontextmanager
async def standard_streams() -> AsyncIterator[Serve]:
    """What serves a server on the standard streams until the client closes them.

    Inside the block standard output leads to standard error and standard input is empty, so nothing
    that is started there, child processes included, gets in between the messages.
    """
    async with stdio_server() as (incoming, outgoing):

        async def serve(server: AgentServer) -> None:
            await server.sdk.run(incoming, outgoing, server.sdk.create_initialization_options())

        yield serve
