"""Child processes: replaced when they end, gone when their parent is."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from lending.runtime.children import Child

# A child of the kind `lending worker` is: it works until it is told to stop or its parent is gone.
WORKS = """
import asyncio, pathlib, sys
from lending.runtime.children import parent_gone
async def main():
    with open(sys.argv[1], "a") as began:
        began.write("x")
    await parent_gone()
    pathlib.Path(sys.argv[1] + ".parent-gone").touch()
asyncio.run(main())
"""
PARENT = """
import asyncio, os, sys
from lending.runtime.children import Child
async def main():
    child = Child("works", [sys.executable, "-c", sys.argv[1], sys.argv[2]], os.environ)
    await child.supervise()
asyncio.run(main())
"""


def works(mark: Path) -> Child:
    return Child("works", [sys.executable, "-c", WORKS, str(mark)], os.environ)


@asynccontextmanager
async def supervised(child: Child) -> AsyncIterator[None]:
    watch = asyncio.create_task(child.supervise())
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def until(condition: Callable[[], bool], *, within_seconds: float = 10) -> None:
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_killed_child_is_replaced_within_a_second(tmp_path: Path) -> None:
    child = works(tmp_path / "mark")
    async with supervised(child):
        await until(lambda: child.state.running)
        first = child.state.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.state.process_id not in (None, first), within_seconds=1)
        assert child.state.last_exit == "killed by SIGKILL"
        assert child.state.restarts == 1


async def test_a_child_that_ends_at_once_is_not_started_in_a_rush() -> None:
    child = Child("fails", [sys.executable, "-c", "raise SystemExit(3)"], os.environ)
    async with supervised(child):
        await asyncio.sleep(2.5)
        assert child.state.last_exit == "exit code 3"
        assert 2 <= child.state.restarts <= 5


async def test_a_child_ends_with_its_supervisor(tmp_path: Path) -> None:
    child = works(tmp_path / "mark")
    async with supervised(child):
        await until((tmp_path / "mark").exists)
        pid = child.state.process_id
        assert pid is not None
    assert not child.state.running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_child_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lending.runtime.limits.CHILD_STOP_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); time.sleep(60)"
    child = Child("deaf", [sys.executable, "-c", deaf], os.environ)
    async with supervised(child):
        await until(lambda: child.state.running)
        await asyncio.sleep(0.5)
        pid = child.state.process_id
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_notices_that_its_parent_was_killed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, WORKS, str(mark)])
    try:
        asyncio.run(until(mark.exists))
    finally:
        parent.kill()
        parent.wait()
    asyncio.run(until(Path(f"{mark}.parent-gone").exists))
