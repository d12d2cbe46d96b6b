"""Background tasks under supervision: when one ends or fails at what it does, it is said which, and why."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

_LOG: Final = logging.getLogger(__name__)


class Background:
    """The tasks that one owner runs beside its work."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, Callable[[], str | None]] = {}

    def start(
        self,
        name: str,
        running: Coroutine[Any, Any, None],
        failure: Callable[[], str | None] | None = None,
    ) -> None:
        """Run something until `stop`; if it ends before, it failed. `failure` says what is wrong with
        it while it runs.
        """
        self._tasks[name] = asyncio.create_task(running, name=name)
        self._tasks[name].add_done_callback(_log_failure)
        if failure is not None:
            self._watched[name] = failure

    @property
    def failures(self) -> dict[str, str]:
        """The tasks that are not running any more, or fail at what they do, with the reason."""
        ended = {name: _why(task) for name, task in self._tasks.items() if task.done()}
        failing = {name: why for name, ask in self._watched.items() if (why := ask()) is not None}
        return failing | ended

    async def end_of(self, names: list[str]) -> None:
        """Wait until these have ended by themselves."""
        await asyncio.wait([self._tasks[name] for name in names])

    async def stop(self) -> None:
        """Cancel them all, and wait until they have ended."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _log_failure(task: "asyncio.Task[None]") -> None:
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        _LOG.error("the task %s has failed", task.get_name(), exc_info=fault)


def _why(task: "asyncio.Task[None]") -> str:
    if task.cancelled():
        return "cancelled"
    fault = task.exception()
    return "stopped" if fault is None else type(fault).__name__  # its text is for the log alone
