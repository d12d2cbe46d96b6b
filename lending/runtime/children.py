"""A child process, kept running by its parent, and gone with it.

What belongs here: starting, watching, restarting and stopping one child; and, on the child's side,
noticing that the parent is gone. What the child does is its own affair.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from lending.runtime import limits

_RESTART_SECONDS = 0.1
_STEADY_SECONDS = 10.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildState:
    """What is known of a child, for readiness."""

    running: bool
    process_id: int | None
    restarts: int
    last_exit: str | None


class Child:
    """One child process. It gets a pipe as its standard input, which ends when the parent does.

    The child has a session of its own, so that a Ctrl-C in the terminal reaches the parent alone,
    which then stops things in the right order.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._name = name
        self._command = command
        self._environment = dict(environment)
        self._process: Process | None = None
        self._state = ChildState(running=False, process_id=None, restarts=0, last_exit=None)

    @property
    def state(self) -> ChildState:
        """Whether it runs, and how it ended last."""
        return self._state

    async def supervise(self) -> None:
        """Start the child, and start it again whenever it ends; when cancelled, stop it.

        A child that ran for a while is started again at once; one that keeps ending at once is
        given pauses that double, up to CHILD_BACKOFF_MAX_SECONDS.
        """
        pause_seconds = _RESTART_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            try:
                await self._run_once()
            finally:
                await self._stop()
            if clock() - begun > _STEADY_SECONDS:
                pause_seconds = _RESTART_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, limits.CHILD_BACKOFF_MAX_SECONDS)
            self._state = replace(self._state, restarts=self._state.restarts + 1)

    async def _run_once(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, env=self._environment, start_new_session=True
        )
        self._process = process
        self._state = replace(self._state, running=True, process_id=process.pid)
        log.info("child started", child=self._name, pid=process.pid)
        code = await process.wait()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._state = replace(self._state, running=False, process_id=None, last_exit=how)
        log.warning("child ended", child=self._name, how=how)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), limits.CHILD_STOP_SECONDS)
            except TimeoutError:
                log.warning("child did not stop, and is killed", child=self._name)
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self._state = replace(self._state, running=False, process_id=None)


async def parent_gone() -> None:
    """Return when the parent is gone: when the pipe ends that it gave us as standard input."""
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while await reader.read(1024):
            pass
    finally:
        transport.close()
