"""The tools over streamable HTTP: an ASGI application of which nothing is left after each request.

No sessions: every request stands alone, whichever process it reaches. Answers are JSON. Who may ask,
from which hosts, how large and how long, is for whoever mounts it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from lending.agents.server import AgentServer
from lending.agents.wire import error_text, refused
from lending.runtime import limits


class AgentsOverHttp:
    """The ASGI application; `running` serves it inside a block."""

    def __init__(self, server: AgentServer) -> None:
        self._manager = StreamableHTTPSessionManager(
            server.sdk,
            json_response=True,
            stateless=True,
            max_request_body_size=limits.BODY_MAX_BYTES,
        )
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def failure(self) -> str | None:
        """Why it does not serve, None where it does."""
        if self._task is None or not self._ready.is_set():
            return "it starts"
        if not self._task.done():
            return None
        fault = None if self._task.cancelled() else self._task.exception()
        return "stopped" if fault is None else f"stopped by {type(fault).__name__}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. The body comes in one message."""
        message = await receive()
        error = refused(message.get("body", b""))
        if error is not None:
            answer = Response(error_text(error), 400, media_type="application/json")
            await answer(scope, receive, send)
            return

        async def replayed() -> Message:
            nonlocal message
            again, message = message, {}
            return again or await receive()

        await self._manager.handle_request(scope, replayed, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve inside the block. What it runs beside is not ended with it: `failure` says so."""
        self._task = asyncio.create_task(self._run())
        await self._ready.wait()
        try:
            yield self
        finally:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            async with self._manager.run():
                self._ready.set()
                await asyncio.Event().wait()
        finally:
            self._ready.set()
