"""What is measured on: a durable PostgreSQL, ledgers on it, and processes beside them.

What belongs here: starting and stopping. Each service, worker and generator is a process of its
own.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from lending.ledger.sealing import MasterKey
from lending.runtime.embedded import EmbeddedPostgres
from lending.runtime.migrations import migrate
from lending.runtime.settings import Settings, load_settings
from lending.service.creation import create_ledger
from lending.service.ledger import new_id, system_clock
from lending.service.signing_keys import ensure_signing_keys
from projections import registry
from tests.databases import Databases
from tests.projections.worlds import MASTER_KEY

STOP_SECONDS: Final = 60
_KEY: Final = b64encode(MASTER_KEY).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A server, and a place for files."""

    databases: Databases
    directory: Path

    def settings(self, database_url: str) -> Settings:
        """The settings of a ledger on this machine."""
        return load_settings(
            database_url=database_url, data_dir=self.directory, master_key=_KEY, timezone="UTC"
        )

    @contextmanager
    def database(self, *, ledger: bool = True) -> Iterator[str]:
        """A migrated database with the read models, and with `ledger` with a ledger in it; its URL."""
        with self.databases.temporary("bench") as url:
            asyncio.run(self._prepare(url, ledger=ledger))
            yield url

    async def _prepare(self, url: str, *, ledger: bool) -> None:
        await migrate(url)
        await registry.install(url)
        if ledger:
            await create_ledger(url, self.settings(url), clock=system_clock, new_id=new_id)
            await ensure_signing_keys(
                url,
                MasterKey(MASTER_KEY, secrets.token_bytes),
                clock=system_clock,
                new_id=new_id,
                randomness=secrets.token_bytes,
            )

    @contextmanager
    def running(self, database_url: str, *command: str) -> Iterator["subprocess.Popen[str]"]:
        """A Python program on a database; its standard input ends when the block does."""
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "LENDING_MASTER_KEY": _KEY,
            "LENDING_MIGRATE_ON_START": "false",
            "LENDING_LOG_LEVEL": "warning",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
            process.communicate(timeout=STOP_SECONDS)
            assert process.returncode == 0, f"{command} ended with exit code {process.returncode}"
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    @contextmanager
    def serving(
        self, database_url: str, *command: str
    ) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
        """A program that says its URL once it serves; the URL and the process."""
        with self.running(database_url, *command) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, f"{command} did not start"
            yield url, process

    @contextmanager
    def worker(self, database_url: str) -> Iterator["subprocess.Popen[str]"]:
        """A worker."""
        with self.running(database_url, "lending", "worker", "--end-with-parent") as process:
            yield process


@contextmanager
def machine() -> Iterator[Machine]:
    """The server that DATABASE_URL names, else an embedded one, as durable as `lending serve` has it.

    Its files are in the working directory: a temporary one may be kept in memory, where being
    durable costs nothing.
    """
    directory = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
    given = os.environ.get("DATABASE_URL")
    server = None if given else EmbeddedPostgres(directory / "ledger")
    try:
        url = given or asyncio.run(_started(server))
        yield Machine(databases=Databases(url), directory=directory)
    finally:
        if server is not None:
            asyncio.run(server.stop())
        shutil.rmtree(directory, ignore_errors=True)


async def _started(server: EmbeddedPostgres | None) -> str:
    assert server is not None
    return await server.start()


def scalar(database_url: str, query: str) -> Any:
    """The one value that a query gives."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def peak_mib(process: "subprocess.Popen[str]") -> float:
    """The most memory a process has held, where the system tells; else what it holds now. In MiB."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    said = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(process.pid)], check=True, capture_output=True, text=True
    )
    return int(said.stdout) / 1024


def processor_seconds(process: "subprocess.Popen[str]") -> float:
    """The processor time a process has used so far; 0 where the system does not tell."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
