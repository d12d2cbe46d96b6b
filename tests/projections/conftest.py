"""Fixtures of the read side: a world with a log to fold, and workers to fold it."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.projections.worlds import MASTER_KEY, World

StartWorker = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A ledger in a fresh database, its log still empty."""
    made = World(database_url)
    yield made
    made.close()


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment in which `lending` works on the world's database."""
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return {
        **inherited,
        "DATABASE_URL": database_url,
        "LENDING_DATA_DIR": str(tmp_path),
        "LENDING_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
        "LENDING_MIGRATE_ON_START": "false",
    }


@pytest.fixture
def start_worker(environment: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """Starts `lending worker` processes, which end with the test."""
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            log = stack.enter_context((tmp_path / "worker.log").open("ab"))
            process = subprocess.Popen(
                [sys.executable, "-m", "lending", "worker"], env=environment, stdout=log, stderr=log
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def lending(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a `lending` command on the world's database."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lending", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def until(condition: Callable[[], bool], seconds: float = 15) -> float:
    """Wait until `condition` holds; how long that took, in seconds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not come to that"
        time.sleep(0.01)
    return time.monotonic() - begun
