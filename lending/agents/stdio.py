"""The tools on standard input and output, for a client that runs the ledger as its own process."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from lending.agents.server import AgentServer
from lending.agents.wire import refused, too_long
from lending.runtime import limits
from lending.runtime.errors import OperatorError

Serve = Callable[[AgentServer], Awaitable[None]]
_Refuse = Callable[[types.JSONRPCError], Awaitable[None]]

_INPUT: Final = 0


class NoPipe(OperatorError):
    """Standard input is no pipe: nobody who speaks the protocol is at the other end."""


@asynccontextmanager
async def standard_streams() -> AsyncIterator[Serve]:
    """What serves a server on the standard streams until the client closes them. Raises NoPipe.

    Inside the block standard output leads to standard error and standard input is empty, so nothing
    that is started there, child processes included, gets in between the messages.
    """
    lines = await _Lines.of_standard_input()
    try:
        async with stdio_server(stdin=lines.as_file()) as (incoming, outgoing):

            async def refuse(error: types.JSONRPCError) -> None:
                await outgoing.send(SessionMessage(error))

            lines.refuse = refuse

            async def serve(server: AgentServer) -> None:
                await server.sdk.run(incoming, outgoing, server.sdk.create_initialization_options())

            yield serve
    except BaseExceptionGroup as faults:
        raise _alone(faults) from None


class _Lines:
    """The lines of standard input that are messages, read without a thread, so that waiting for one
    can be cancelled; each of a bounded length. What is no message is answered with an error.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.refuse: _Refuse

    @classmethod
    async def of_standard_input(cls) -> Self:
        """Take standard input over, and leave an empty one in its place."""
        if not stat.S_ISFIFO(os.fstat(_INPUT).st_mode) and not _is_socket(_INPUT):
            raise NoPipe(
                "standard input is no pipe: a client of the Model Context Protocol starts this"
                " command; see docs/how-to/mcp.md"
            )
        pipe = os.fdopen(os.dup(_INPUT), "rb", buffering=0)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, _INPUT)
        os.close(empty)
        reader = asyncio.StreamReader(limit=limits.BODY_MAX_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        return cls(reader)

    def as_file(self) -> Any:
        """Itself, as the file that the SDK asks for and only ever iterates over."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            try:
                line = await self._reader.readline()
            except ValueError:
                await self.refuse(too_long())
                continue
            if not line:
                raise StopAsyncIteration
            error = refused(line)
            if error is None:
                return line.decode()
            await self.refuse(error)


def _alone(fault: BaseException) -> BaseException:
    """What went wrong, out of the groups that task groups put even a single fault into."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    return fault


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
